#include "protocols/dap/control/tunnel.hpp"

#include "protocols/dap/control/dial.hpp"

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/websocket/rfc6455.hpp>
#include <boost/beast/websocket/stream.hpp>

#include <array>
#include <cerrno>
#include <chrono>
#include <fmt/format.h>
#include <fstream>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <utility>

namespace kdbg::dap {
namespace {

namespace net = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
namespace websocket = beast::websocket;
using boost::system::error_code;

constexpr std::chrono::seconds patience{5};

/// As the server's list of hosts has it.
std::string host_of(std::string_view address) {
  if (address.starts_with("unix:")) return "localhost";
  return (address.starts_with(':') ? "127.0.0.1" : "") + std::string(address);
}

net::generic::stream_protocol protocol_of(int socket) {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  ::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &length);
  return {address.ss_family, 0};
}

} // namespace

/// Both ends, and the thread that alone touches them.
struct Tunnel::Stream {
  net::io_context io{1};
  websocket::stream<net::generic::stream_protocol::socket> web{io};
  net::local::stream_protocol::socket near{io};
  int given = -1; ///< the other end of `near`
  std::array<char, 128 * 1024> from_web{}, from_near{};
  std::thread thread;

  // NOLINTNEXTLINE(bugprone-exception-escape): for want of memory alone
  ~Stream() {
    net::post(io, [this] { end(); });
    if (thread.joinable()) thread.join();
    if (given >= 0) ::close(given);
  }

  Status connect(int socket, const std::string& host, std::string_view token) {
    web.next_layer().assign(protocol_of(socket), socket);
    web.set_option(
        websocket::stream_base::timeout{patience, websocket::stream_base::none(), false});
    web.set_option(websocket::stream_base::decorator(
        [bearer = fmt::format("Bearer {}", token)](websocket::request_type& request) {
          request.set(http::field::authorization, bearer);
        }));
    websocket::response_type answer;
    error_code error;
    web.async_handshake(answer, host, "/rsp", [&](const error_code& failed) { error = failed; });
    io.run();
    io.restart();
    if (!error) return Done{};
    std::string why = error.message();
    if (error == websocket::error::upgrade_declined) {
      why = fmt::format("{} {}", answer.result_int(), answer.body());
      why.erase(why.find_last_not_of('\n') + 1);
    }
    return Error{Code::closed, fmt::format("{} does not take the token: {}", host, why)};
  }

  Status begin() {
    int pair[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
      return Error{Code::kernel, "no pair of sockets", errno};
    }
    near.assign(net::local::stream_protocol(), pair[0]);
    given = pair[1];
    web.binary(true);
    web.auto_fragment(false);
    read_web();
    read_near();
    thread = std::thread([this] { io.run(); });
    return Done{};
  }

  void read_web() {
    web.async_read_some(net::buffer(from_web), [this](const error_code& error, std::size_t count) {
      if (error) return end();
      net::async_write(
          near, net::buffer(from_web, count),
          [this](const error_code& failed, std::size_t) { return failed ? end() : read_web(); });
    });
  }

  void read_near() {
    near.async_read_some(net::buffer(from_near), [this](const error_code& error,
                                                        std::size_t count) {
      if (error) return end();
      web.async_write(net::buffer(from_near, count), [this](const error_code& failed, std::size_t) {
        return failed ? end() : read_near();
      });
    });
  }

  void end() {
    error_code ignored;
    near.close(ignored);
    web.next_layer().close(ignored);
  }
};

Tunnel::Tunnel(std::unique_ptr<Stream> stream) : stream_(std::move(stream)) {}
Tunnel::~Tunnel() = default;

Result<std::unique_ptr<Tunnel>> Tunnel::open(std::string_view address, std::string_view token) {
  constexpr std::size_t digits = 64;
  if (token.size() != digits || token.find_first_not_of("0123456789abcdef") != token.npos) {
    return Error{Code::bad_request, fmt::format("a token is {} hexadecimal digits", digits)};
  }
  const int socket = TRY(dial(address));
  auto stream = std::make_unique<Stream>();
  TRY(stream->connect(socket, host_of(address), token));
  TRY(stream->begin());
  return std::unique_ptr<Tunnel>(new Tunnel(std::move(stream)));
}

int Tunnel::take_socket() {
  return std::exchange(stream_->given, -1);
}

Result<std::string> read_token(const std::string& path) {
  std::ifstream file(path);
  std::string token;
  if (file >> token) return token;
  return Error{Code::bad_request, fmt::format("tokenFile {}: no token can be read there", path)};
}

} // namespace kdbg::dap
