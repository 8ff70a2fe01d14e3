#include "adapter/server/server.hpp"

#include <fmt/format.h>
#include <unistd.h>

namespace kdbg::server {

Server::Server(boost::asio::io_context& io,
               Target& target,
               Arbiter& arbiter,
               Trace& trace,
               std::vector<Protocol> protocols,
               Log log,
               Settings settings,
               Dumps* dumps,
               GatewaySettings gateway)
    : io_(io),
      machine_{target, arbiter, trace, dumps},
      protocols_(std::move(protocols)),
      log_(std::move(log)),
      settings_(settings),
      gateway_(std::make_shared<Gateway>(
          io_,
          std::move(gateway),
          settings_.last_bytes,
          [this](std::unique_ptr<Stream> stream, std::string peer, Role role) {
            serve(std::move(stream), std::move(peer), role);
          },
          log_)) {}

Server::~Server() {
  close_all();
}

Status Server::listen_aside(std::string_view address) {
  const ListenPlace where = TRY(parse_listen_place(address, settings_.allow_remote));
  aside_ = TRY(open_listener(where));
  return Done{};
}

Result<std::shared_ptr<Listener>> Server::open_listener(const ListenPlace& where) {
  return Listener::open(
      io_, where.address,
      [this, role = where.role](Socket socket, std::string peer) {
        accept({std::move(socket), std::move(peer), role});
      },
      log_, settings_.any_user);
}

Result<std::string> Server::listen(std::string_view address) {
  const ListenPlace where = TRY(parse_listen_place(address, settings_.allow_remote));
  if (std::holds_alternative<Stdio>(where.address)) {
    if (stdio_taken_) return Error{Code::bad_request, "stdio serves one debugger, not two"};
    serve(TRY(make_stream(io_, STDIN_FILENO, STDOUT_FILENO, "standard input and output")), "stdio",
          where.role);
    stdio_taken_ = true;
    return describe(where.address);
  }
  listeners_.push_back(TRY(open_listener(where)));
  return listeners_.back()->where();
}

void Server::accept(Visitor visitor) {
  const std::size_t open = connections_.size() + arrivals_.size() + gateway_->count();
  if (open >= settings_.max_clients) {
    log_(fmt::format("refused {}: {} connections are open", visitor.peer, open));
    return; // closes the socket
  }
  auto arrival = std::make_shared<Arrival>(std::move(visitor), protocols_);
  arrivals_.insert(arrival);
  arrival->start(settings_.first_byte, outcomes(arrival));
}

/// Each takes the arrival out first: it is one no more.
Arrival::Outcomes Server::outcomes(const std::shared_ptr<Arrival>& arrival) {
  const auto forget = [this, weak = std::weak_ptr(arrival)] { arrivals_.erase(weak.lock()); };
  return {
      [this, forget](Visitor visitor, std::string_view said) {
        forget();
        open(make_stream(std::move(visitor.socket)), std::move(visitor.peer), visitor.role,
             settings_, said);
      },
      [this, forget](Visitor visitor, std::string_view said) {
        forget();
        gateway_->take_dap(std::move(visitor), std::string(said));
      },
      [this, forget](Visitor visitor, const HttpRequest& request, bool behind) {
        forget();
        gateway_->take_http(std::move(visitor), request, behind);
      },
      [this, forget](Visitor visitor, const Error& why) {
        forget();
        gateway_->take_malformed(std::move(visitor), why);
      },
      [this, forget](const std::string& peer, std::string_view why) {
        forget();
        log_(fmt::format("closed a connection from {}: {}", peer, why));
      },
  };
}

void Server::serve(std::unique_ptr<Stream> stream, std::string peer, Role role) {
  Settings patient = settings_;
  patient.first_byte = patient.first_byte.zero();
  open(std::move(stream), std::move(peer), role, patient);
}

void Server::open(std::unique_ptr<Stream> stream,
                  std::string peer,
                  Role role,
                  const Settings& settings,
                  std::string_view said) {
  Connection::Observer observer{log_, [this] { count(); },
                                [this](const auto& closed) { on_closed(closed); }};
  auto connection = std::make_shared<Connection>(std::move(stream), std::move(peer), role, machine_,
                                                 protocols_, settings, std::move(observer));
  connections_.insert(connection);
  connection->start(said);
}

void Server::on_closed(const std::shared_ptr<Connection>& closed) {
  connections_.erase(closed);
  count();
  if (connections_.empty() && listeners_.empty() && deserted_) deserted_();
}

void Server::count() {
  const std::size_t now = machine_.arbiter.client_count();
  if (std::exchange(counted_, now) != now && changed_) changed_(now);
}

void Server::close_all() {
  deserted_ = {};
  listeners_.clear();
  aside_.reset();
  gateway_->close_all();
  for (const auto& arrival : std::exchange(arrivals_, {})) {
    arrival->close("the server ends");
  }
  const auto open = std::exchange(connections_, {});
  for (const auto& connection : open) {
    connection->close("the server ends");
  }
}

} // namespace kdbg::server
