#include "adapter/server/gateway/gateway.hpp"

#include "adapter/server/address.hpp"
#include "adapter/server/farewell.hpp"
#include "adapter/server/gateway/dap_program.hpp"
#include "adapter/server/gateway/dap_reader.hpp"
#include "adapter/server/gateway/dap_words.hpp"

#include <boost/asio/local/stream_protocol.hpp>

#include <fmt/format.h>
#include <sys/socket.h>

namespace kdbg::server {
namespace {

namespace asio = boost::asio;

DoorRules rules_for(const Visitor& visitor, const GatewaySettings& settings) {
  DoorRules rules;
  boost::system::error_code error;
  const auto local = visitor.socket.local_endpoint(error);
  if (!error && local.protocol().family() == AF_UNIX) {
    rules.hosts = hosts_of({}, 0, true);
  } else if (!error) {
    const asio::ip::tcp::endpoint here = tcp_of(local);
    rules.hosts = hosts_of(describe(here), here.port(), here.address().is_loopback());
  }
  rules.origins = origins_of(rules.hosts, settings.origins);
  rules.tokens = settings.tokens;
  rules.role = visitor.role;
  return rules;
}

} // namespace

Gateway::Gateway(asio::io_context& io,
                 GatewaySettings settings,
                 std::chrono::milliseconds patience,
                 Serve serve,
                 Log log)
    : io_(io),
      settings_(std::move(settings)),
      patience_(patience),
      serve_(std::move(serve)),
      log_(std::move(log)) {}

void Gateway::take_http(Visitor visitor, const HttpRequest& request, bool behind) {
  Decision decision = decide(request, behind, rules_for(visitor, settings_));
  if (const auto* refused = std::get_if<HttpAnswer>(&decision)) {
    return answer(std::move(visitor), *refused);
  }
  Upgrade& upgrade = *std::get_if<Upgrade>(&decision);
  visitor.role = upgrade.role;
  if (upgrade.service == Upgrade::Service::rsp) {
    return open_rsp(std::move(visitor), std::move(upgrade));
  }
  start_worker(std::move(visitor), true, std::move(upgrade.request));
}

void Gateway::take_malformed(Visitor visitor, const Error& why) {
  answer(std::move(visitor), refusal(400, why.what));
}

void Gateway::answer(Visitor visitor, const HttpAnswer& answer) {
  if (answer.status >= 400) {
    const std::size_t body = answer.bytes.find("\r\n\r\n");
    log_(fmt::format("refused {}: {} {}", visitor.peer, answer.status,
                     answer.bytes.substr(body + 4, answer.bytes.size() - body - 5)));
  }
  farewell(std::move(visitor.socket), answer.bytes);
}

void Gateway::farewell(Socket socket, std::string last) {
  ++leaving_;
  say_farewell(std::move(socket), std::move(last), patience_, [weak = weak_from_this()] {
    if (auto self = weak.lock()) --self->leaving_;
  });
}

void Gateway::open_rsp(Visitor visitor, Upgrade upgrade) {
  ++leaving_; // until it has arrived
  accept_websocket(std::move(visitor.socket), std::move(upgrade.request), patience_,
                   [weak = weak_from_this(), peer = visitor.peer,
                    role = visitor.role](Result<std::unique_ptr<Stream>> stream) {
                     auto self = weak.lock();
                     if (!self) return;
                     --self->leaving_;
                     if (!stream) {
                       self->log_(fmt::format("lost {}: {}", peer, stream.error().what));
                     } else if (self->serve_) {
                       self->serve_(*std::move(stream), peer, role);
                     }
                   });
}

Result<WorkerOrder> Gateway::order() const {
  WorkerOrder order;
  order.program = TRY(find_dap_program(settings_.dap));
  order.more = settings_.worker_arguments;
  return order;
}

void Gateway::take_dap(Visitor visitor, std::string said) {
  start_worker(std::move(visitor), false, std::move(said));
}

void Gateway::start_worker(Visitor visitor, bool websocket, std::string preamble) {
  auto order = this->order();
  if (!order) {
    return refuse(std::move(visitor), websocket, std::move(preamble), CloseCode::internal_error,
                  order.error().what);
  }
  if (workers_.size() >= settings_.max_workers) {
    return refuse(std::move(visitor), websocket, std::move(preamble), CloseCode::try_again_later,
                  fmt::format("{} debug adapters are at work, and no more are started "
                              "(--max-workers); come again when one of their clients has left",
                              workers_.size()));
  }
  order->websocket = websocket;
  order->preamble = preamble;
  order->role = visitor.role;
  order->peer = visitor.peer;
  // what a copy of the socket is for: to say why there is no adapter, should it not start
  boost::system::error_code error;
  Visitor spare{Socket(io_), visitor.peer, visitor.role};
  if (const int copy = ::dup(visitor.socket.native_handle()); copy >= 0) {
    spare.socket.assign(visitor.socket.local_endpoint(error).protocol(), copy, error);
  }
  auto worker = Worker::start(
      std::move(visitor.socket), *std::move(order), settings_.worker_patience,
      [&](int end, std::string_view) { serve_worker(end, spare.peer, spare.role); },
      [weak = weak_from_this()](const auto& ended, const WorkerEnd& end) {
        if (auto self = weak.lock()) self->on_worker_end(ended, end);
      });
  if (!worker) {
    return refuse(std::move(spare), websocket, std::move(preamble), CloseCode::internal_error,
                  "no debug adapter can be started: " + worker.error().what);
  }
  log_(fmt::format("process {} serves {} ({})", (*worker)->process(), spare.peer,
                   websocket ? "DAP by WebSocket" : "DAP"));
  workers_.insert(*worker);
}

void Gateway::serve_worker(int socket, std::string peer, Role role) {
  Socket ours(io_);
  boost::system::error_code error;
  ours.assign(asio::local::stream_protocol(), socket, error);
  if (error) {
    ::close(socket);
    return log_("cannot serve a debug adapter: " + error.message());
  }
  serve_(make_stream(std::move(ours)), std::move(peer), role);
}

void Gateway::on_worker_end(const std::shared_ptr<Worker>& worker, const WorkerEnd& end) {
  workers_.erase(worker);
  const WorkerOrder& order = worker->order();
  constexpr double mebibyte = 1 << 20;
  log_(fmt::format("process {}, which served {}, {}; peak memory {:.1f} MiB", worker->process(),
                   order.peer, end.how, static_cast<double>(end.peak) / mebibyte));
  if (end.well || !serve_) return;
  constexpr int not_loaded = 127; // as the dynamic loader ends
  const std::string why =
      end.status == not_loaded
          ? fmt::format("the debug adapter {} cannot be loaded: is liblldb-22 installed? gdb, lldb "
                        "and /rsp work without it",
                        order.program)
          : fmt::format("the debug adapter of this session (process {}) {}; the guest and its "
                        "other clients are none the worse: connect again",
                        worker->process(), end.how);
  if (end.answered) {
    return tell(worker->take_client(), order.websocket, dap_goodbye(why), CloseCode::internal_error,
                why);
  }
  refuse({worker->take_client(), order.peer, order.role}, order.websocket, order.preamble,
         CloseCode::internal_error, why);
}

void Gateway::tell(Socket socket,
                   bool websocket,
                   const std::vector<std::string>& messages,
                   CloseCode code,
                   std::string_view why) {
  std::string bytes;
  for (const std::string& message : messages) {
    bytes += websocket ? text_frame(message) : dap_framed(message);
  }
  if (websocket) bytes += close_frame(code, why);
  farewell(std::move(socket), std::move(bytes));
}

/// A page never sees the answer to an upgrade that fails: it is upgraded, and told then. One that
/// speaks on a stream is answered once it has asked.
void Gateway::refuse(
    Visitor visitor, bool websocket, std::string preamble, CloseCode code, std::string why) {
  log_(fmt::format("refused {}: {}", visitor.peer, why));
  ++leaving_;
  if (websocket) {
    return accept_upgrade(std::move(visitor.socket), std::move(preamble), patience_,
                          [weak = weak_from_this(), code, why](Result<Socket> socket) {
                            auto self = weak.lock();
                            if (!self) return;
                            --self->leaving_;
                            if (socket) {
                              self->tell(*std::move(socket), true, dap_goodbye(why), code, why);
                            }
                          });
  }
  read_dap_request(std::move(visitor.socket), std::move(preamble), patience_,
                   [weak = weak_from_this(), code, why](Socket socket, std::string_view request) {
                     auto self = weak.lock();
                     if (!self) return;
                     --self->leaving_;
                     self->tell(std::move(socket), false, dap_refusal(request, why), code, why);
                   });
}

void Gateway::close_all() {
  serve_ = {};
  workers_.clear();
}

} // namespace kdbg::server
