#include "adapter/server/gateway/websocket.hpp"

#include "adapter/server/farewell.hpp"

#include <boost/asio/post.hpp>
#include <boost/beast/core/bind_handler.hpp>
#include <boost/beast/websocket/rfc6455.hpp>
#include <boost/beast/websocket/stream.hpp>

#include <fmt/format.h>
#include <sys/socket.h>

namespace kdbg::server {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace websocket = beast::websocket;
using ErrorCode = beast::error_code;

/// Beast's own teardown reads once more and closes: what the client is still sending then resets
/// the connection, and takes the close frame with it. This one stays open, for a farewell.
class OpenSocket : public Socket {
public:
  using Socket::Socket;
  explicit OpenSocket(Socket socket) : Socket(std::move(socket)) {}
};

template <class Handler>
void async_teardown(beast::role_type, OpenSocket& socket, Handler&& handler) {
  ErrorCode error;
  socket.shutdown(asio::socket_base::shutdown_send, error);
  asio::post(socket.get_executor(),
             beast::bind_front_handler(std::forward<Handler>(handler), error));
}

using WebSocket = websocket::stream<OpenSocket, false>; // without compression

/// Text frames are for JSON; here are packets.
class WebSocketStream final : public Stream {
public:
  WebSocketStream(std::unique_ptr<WebSocket> socket, std::chrono::milliseconds patience)
      : socket_(std::move(socket)), patience_(patience) {}

  asio::any_io_executor executor() override { return socket_->get_executor(); }

  void read_some(asio::mutable_buffer into, Handler done) override {
    socket_->async_read_some(
        into, [this, into, done = std::move(done)](ErrorCode error, std::size_t count) mutable {
          if (error == websocket::error::closed) error = asio::error::eof;
          if (error) part();
          if (error) return done(error, count);
          if (socket_->got_text()) return refuse_text(std::move(done));
          if (count == 0) return read_some(into, std::move(done)); // an empty message
          done(error, count);
        });
  }

  void write(asio::const_buffer from, Handler done) override {
    writing_ = true;
    socket_->async_write(from, [this, done = std::move(done)](ErrorCode error, std::size_t count) {
      writing_ = false;
      done(error, count);
    });
  }

  void close() override {
    Socket& lowest = socket_->next_layer();
    // in the middle of a frame there is no room for another
    if (socket_->is_open() && !writing_) {
      const std::string last =
          close_frame(CloseCode::going_away, "the server ends this connection");
      ::send(lowest.native_handle(), last.data(), last.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    ErrorCode ignored;
    lowest.close(ignored);
  }

private:
  void refuse_text(Handler done) {
    socket_->async_close({websocket::close_code::unknown_data, "packets come in binary frames"},
                         [this, done = std::move(done)](ErrorCode) {
                           part();
                           done(make_error_code(boost::system::errc::protocol_error), 0);
                         });
  }

  /// The close frame is on its way.
  void part() {
    Socket& lowest = socket_->next_layer();
    if (lowest.is_open()) say_farewell(std::move(lowest), {}, patience_, [] {});
  }

  std::unique_ptr<WebSocket> socket_;
  std::chrono::milliseconds patience_;
  bool writing_ = false;
};

void accept(Socket socket,
            std::string request,
            std::chrono::milliseconds patience,
            std::function<void(Result<std::unique_ptr<WebSocket>>)> done) {
  constexpr std::size_t longest_message = std::size_t{1} << 20;
  auto made = std::make_unique<WebSocket>(OpenSocket(std::move(socket)));
  WebSocket& waiting = *made;
  waiting.set_option(
      websocket::stream_base::timeout{patience, websocket::stream_base::none(), false});
  constexpr std::string_view field = "Sec-WebSocket-Protocol: ";
  std::string subprotocol;
  if (const std::size_t at = request.find(field); at != std::string::npos) {
    const std::size_t begin = at + field.size();
    subprotocol = request.substr(begin, request.find('\r', begin) - begin);
  }
  waiting.set_option(websocket::stream_base::decorator([=](websocket::response_type& response) {
    response.set(beast::http::field::server, "kvmdbg");
    if (!subprotocol.empty()) {
      response.set(beast::http::field::sec_websocket_protocol, subprotocol);
    }
  }));
  waiting.read_message_max(longest_message);
  waiting.auto_fragment(false);
  waiting.binary(true);
  const auto text = std::make_shared<const std::string>(std::move(request));
  waiting.async_accept(asio::buffer(*text), [text, made = std::move(made),
                                             done = std::move(done)](ErrorCode error) mutable {
    if (!error) return done(std::move(made));
    done(Error{Code::closed, "no WebSocket came of it: " + error.message()});
  });
}

/// A frame that is not masked, as a server sends them: RFC 6455 5.2.
std::string frame(unsigned char opcode, std::string_view payload) {
  constexpr unsigned char last_fragment = 0x80;
  std::string out(1, static_cast<char>(last_fragment | opcode));
  const auto put = [&out](std::uint64_t value, int bytes) {
    for (int shift = (bytes - 1) * 8; shift >= 0; shift -= 8) {
      out += static_cast<char>(value >> shift & 0xff);
    }
  };
  if (payload.size() < 126) {
    put(payload.size(), 1);
  } else if (payload.size() <= 0xffff) {
    put(126, 1);
    put(payload.size(), 2);
  } else {
    put(127, 1);
    put(payload.size(), 8);
  }
  return out.append(payload);
}

} // namespace

void accept_websocket(Socket socket,
                      std::string request,
                      std::chrono::milliseconds patience,
                      std::function<void(Result<std::unique_ptr<Stream>>)> done) {
  accept(std::move(socket), std::move(request), patience,
         [patience, done = std::move(done)](Result<std::unique_ptr<WebSocket>> made) {
           if (!made) return done(made.error());
           done(std::unique_ptr<Stream>(
               std::make_unique<WebSocketStream>(*std::move(made), patience)));
         });
}

void accept_upgrade(Socket socket,
                    std::string request,
                    std::chrono::milliseconds patience,
                    std::function<void(Result<Socket>)> done) {
  accept(std::move(socket), std::move(request), patience,
         [done = std::move(done)](Result<std::unique_ptr<WebSocket>> made) {
           if (!made) return done(made.error());
           Socket& lowest = (*made)->next_layer();
           done(std::move(lowest));
         });
}

std::string text_frame(std::string_view text) {
  constexpr unsigned char text_opcode = 1;
  return frame(text_opcode, text);
}

std::string close_frame(CloseCode code, std::string_view reason) {
  constexpr unsigned char close_opcode = 8;
  constexpr std::size_t longest = 123; // RFC 6455 5.5: 125 with the code
  std::size_t length = std::min(reason.size(), longest);
  // a reason is UTF-8: no character is cut in two
  while (length < reason.size() && length > 0 &&
         (static_cast<unsigned char>(reason[length]) & 0xc0) == 0x80) {
    --length;
  }
  const auto number = static_cast<std::uint16_t>(code);
  const std::string payload{static_cast<char>(number >> 8), static_cast<char>(number & 0xff)};
  return frame(close_opcode, payload + std::string(reason.substr(0, length)));
}

} // namespace kdbg::server
