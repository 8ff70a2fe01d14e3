#include "protocols/dap/wire/web_channel.hpp"

#include "protocols/dap/message/framing.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/bind_handler.hpp>
#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/rfc7230.hpp>
#include <boost/beast/websocket/stream.hpp>

#include <array>
#include <condition_variable>
#include <deque>
#include <fmt/format.h>
#include <future>
#include <mutex>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

namespace kdbg::dap {
namespace {

namespace net = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
namespace websocket = beast::websocket;
using boost::system::error_code;

/// Beast's own teardown reads once more and closes: what the client is still sending then resets
/// the connection, and takes the close frame with it. Here the socket stays open, for
/// Stream::drain.
class Socket : public net::generic::stream_protocol::socket {
public:
  using net::generic::stream_protocol::socket::basic_stream_socket;
};

[[maybe_unused]] void teardown(beast::role_type, Socket& socket, error_code& error) {
  socket.shutdown(net::socket_base::shutdown_send, error);
}

template <class Handler>
void async_teardown(beast::role_type role, Socket& socket, Handler&& handler) {
  error_code error;
  teardown(role, socket, error);
  net::post(socket.get_executor(),
            beast::bind_front_handler(std::forward<Handler>(handler), error));
}

constexpr std::string_view subprotocol = "dap.v1";

Error refused(std::string_view what, const error_code& error) {
  return {Code::closed, fmt::format("{}: {}", what, error.message())};
}

/// Whether the upgrade request offers our subprotocol.
bool offers_dap(std::string_view begun) {
  http::request_parser<http::empty_body> parser;
  error_code error;
  parser.put(net::buffer(begun), error);
  if (!parser.is_header_done()) return false;
  for (const auto& one : http::token_list(parser.get()[http::field::sec_websocket_protocol])) {
    if (one == subprotocol) return true;
  }
  return false;
}

int family_of(int socket) {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  return ::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &length) == 0
             ? address.ss_family
             : AF_UNIX;
}

} // namespace

/// The WebSocket and the thread that alone touches it; messages wait here for `read`.
struct WebChannel::Stream {
  net::io_context io{1};
  /// `write` waits for its turn also after the last read.
  net::executor_work_guard<net::io_context::executor_type> work{io.get_executor()};
  websocket::stream<Socket> web{io};
  beast::flat_buffer buffer;
  net::steady_timer patience{io};
  std::array<char, 64 * 1024> waste{};
  bool closing = false;
  std::thread thread;

  std::mutex mutex;
  std::condition_variable changed;
  std::deque<std::string> messages;
  bool closed = false;       ///< no operation is left
  std::optional<Status> end; ///< Done: the client has closed

  void finish(Status how) {
    {
      const std::lock_guard lock(mutex);
      if (!end) end = std::move(how);
    }
    changed.notify_all();
  }

  /// Says so, and waits a moment for the client to agree.
  void close(const websocket::close_reason& reason) {
    if (std::exchange(closing, true)) return;
    patience.expires_after(std::chrono::milliseconds(500));
    patience.async_wait([this](const error_code&) { drop(); });
    web.async_close(reason, [this](const error_code&) { drain(); });
  }

  /// Until the client has closed its side.
  void drain() {
    web.next_layer().async_read_some(
        net::buffer(waste),
        [this](const error_code& error, std::size_t) { return error ? drop() : drain(); });
  }

  /// Ends whatever reads and writes.
  void drop() {
    error_code none;
    patience.cancel();
    web.next_layer().close(none);
    {
      const std::lock_guard lock(mutex);
      closed = true;
    }
    changed.notify_all();
  }

  void read_next() {
    web.async_read(buffer, [this](const error_code& error, std::size_t) { on_read(error); });
  }

  void on_read(const error_code& error) {
    if (error == websocket::error::closed) return finish(Done{});
    if (error) return finish(refused("reading from the client failed", error));
    if (!web.got_text()) {
      finish(Error{Code::bad_request, "the client sent a binary frame"});
      return close({websocket::close_code::unknown_data, "one JSON message per text frame"});
    }
    {
      const std::lock_guard lock(mutex);
      messages.push_back(beast::buffers_to_string(buffer.data()));
    }
    buffer.clear();
    changed.notify_all();
    read_next();
  }
};

WebChannel::WebChannel(std::unique_ptr<Stream> stream) : stream_(std::move(stream)) {}

Result<std::unique_ptr<WebChannel>> WebChannel::accept(int socket, std::string_view begun) {
  auto stream = std::make_unique<Stream>();
  error_code error;
  stream->web.next_layer().assign(net::generic::stream_protocol(family_of(socket), 0), socket,
                                  error);
  if (error) return refused("the client's socket", error);
  stream->web.set_option(websocket::stream_base::timeout::suggested(beast::role_type::server));
  stream->web.read_message_max(max_message);
  stream->web.auto_fragment(false); // a message is a frame
  if (offers_dap(begun)) {
    stream->web.set_option(
        websocket::stream_base::decorator([](websocket::response_type& response) {
          response.set(http::field::sec_websocket_protocol, subprotocol);
        }));
  }
  stream->web.accept(net::buffer(begun), error);
  if (error) return refused("not a WebSocket upgrade", error);
  stream->web.text(true);
  stream->read_next();
  stream->thread = std::thread([io = &stream->io] { io->run(); });
  return std::unique_ptr<WebChannel>(new WebChannel(std::move(stream)));
}

// NOLINTNEXTLINE(bugprone-exception-escape): for want of memory alone
WebChannel::~WebChannel() {
  shut();
  {
    std::unique_lock lock(stream_->mutex);
    stream_->changed.wait(lock, [this] { return stream_->closed; });
  }
  stream_->io.stop(); // a timer of the WebSocket's may be left
  stream_->thread.join();
}

Result<std::optional<std::string>> WebChannel::read() {
  std::unique_lock lock(stream_->mutex);
  stream_->changed.wait(lock, [this] { return stream_->end || !stream_->messages.empty(); });
  if (stream_->messages.empty()) {
    TRY(Status(*stream_->end));
    return std::optional<std::string>{};
  }
  std::string message = std::move(stream_->messages.front());
  stream_->messages.pop_front();
  return std::optional(std::move(message));
}

Status WebChannel::write(std::string_view message) {
  auto written = std::make_shared<std::promise<error_code>>();
  auto result = written->get_future();
  net::post(stream_->io, [this, message, written] {
    stream_->web.async_write(net::buffer(message), [written](const error_code& error, std::size_t) {
      written->set_value(error);
    });
  });
  if (const error_code error = result.get()) return refused("writing to the client failed", error);
  return Done{};
}

void WebChannel::shut() {
  stream_->finish(Done{});
  net::post(stream_->io,
            [stream = stream_.get()] { stream->close(websocket::close_code::normal); });
}

} // namespace kdbg::dap
