#include "adapter/server/listener.hpp"

#include "adapter/server/peer.hpp"

#include <boost/asio/local/stream_protocol.hpp>

#include <fmt/format.h>
#include <netinet/tcp.h>
#include <sys/stat.h>
#include <unistd.h>

namespace kdbg::server {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using LocalProtocol = asio::local::stream_protocol;
using ErrorCode = boost::system::error_code;

template <int name>
using TcpNumber = asio::detail::socket_option::integer<IPPROTO_TCP, name>;

/// A debugger may sit at a breakpoint for days, so silence is no reason to part with it. A client
/// whose host is gone is told apart by TCP's own probes (tcp(7)): within two minutes, so that its
/// points and its run control do not stay behind.
void notice_dead_hosts(asio::generic::stream_protocol::socket& socket) {
  constexpr int silent = 60, apart = 15, probes = 4; // seconds, seconds, a count
  ErrorCode ignored;
  socket.set_option(asio::socket_base::keep_alive(true), ignored);
  socket.set_option(TcpNumber<TCP_KEEPIDLE>(silent), ignored);
  socket.set_option(TcpNumber<TCP_KEEPINTVL>(apart), ignored);
  socket.set_option(TcpNumber<TCP_KEEPCNT>(probes), ignored);
}

Error failed(std::string_view what, const ListenAddress& where, const ErrorCode& error) {
  return Error{Code::kernel,
               fmt::format("cannot {} {}: {}", what, describe(where), error.message()),
               error.value()};
}

Error failed(std::string_view what, const ListenAddress& where, int number) {
  return failed(what, where, ErrorCode(number, boost::system::system_category()));
}

/// A socket file left behind by a server that is gone is in the way; one that answers is not ours.
Status clear_stale(asio::io_context& io, const UnixPath& address) {
  struct stat found {};
  if (::lstat(address.path.c_str(), &found) != 0) return Done{};
  if (!S_ISSOCK(found.st_mode)) {
    return Error{Code::bad_request, fmt::format("{} exists and is no socket", address.path)};
  }
  LocalProtocol::socket probe(io);
  ErrorCode error;
  probe.connect(LocalProtocol::endpoint(address.path), error);
  if (!error) {
    return Error{Code::bad_request, fmt::format("somebody listens on {} already", address.path)};
  }
  if (error != asio::error::connection_refused) return failed("probe", address, error);
  if (::unlink(address.path.c_str()) != 0) return failed("replace", address, errno);
  return Done{};
}

} // namespace

Listener::Listener(asio::io_context& io, Accepted accepted, Log log, bool any_user)
    : acceptor_(io),
      retry_(io),
      accepted_(std::move(accepted)),
      log_(std::move(log)),
      any_user_(any_user) {}

Listener::~Listener() {
  if (file_ && file_at(path_) == file_) ::unlink(path_.c_str());
}

Result<std::shared_ptr<Listener>> Listener::open(
    asio::io_context& io, const ListenAddress& address, Accepted accepted, Log log, bool any_user) {
  if (const auto* local = std::get_if<UnixPath>(&address)) TRY(clear_stale(io, *local));
  std::shared_ptr<Listener> made(new Listener(io, std::move(accepted), std::move(log), any_user));
  TRY(made->bind(address));
  ErrorCode error;
  if (made->acceptor_.listen(asio::socket_base::max_listen_connections, error)) {
    return failed("listen on", address, error);
  }
  made->accept();
  return made;
}

Status Listener::bind(const ListenAddress& address) {
  if (const auto* local = std::get_if<UnixPath>(&address)) return bind_unix(*local);
  return bind_tcp(*std::get_if<tcp::endpoint>(&address));
}

Status Listener::bind_tcp(const tcp::endpoint& endpoint) {
  ErrorCode error;
  if (acceptor_.open(Protocol(endpoint.protocol()), error)) {
    return failed("listen on", endpoint, error);
  }
  acceptor_.set_option(asio::socket_base::reuse_address(true), error);
  if (acceptor_.bind(Protocol::endpoint(endpoint), error)) {
    return failed("listen on", endpoint, error);
  }
  where_ = describe(tcp_of(acceptor_.local_endpoint(error)));
  return Done{};
}

Status Listener::bind_unix(const UnixPath& address) {
  ErrorCode error;
  if (acceptor_.open(Protocol(LocalProtocol()), error)) return failed("listen on", address, error);
  if (acceptor_.bind(Protocol::endpoint(LocalProtocol::endpoint(address.path)), error)) {
    return failed("listen on", address, error);
  }
  path_ = address.path;
  file_ = file_at(path_);
  // Nobody can connect before listen, so nobody gets in while the mode is still the umask's.
  if (::chmod(path_.c_str(), S_IRUSR | S_IWUSR) != 0) return failed("protect", address, errno);
  where_ = describe(address);
  return Done{};
}

std::optional<Listener::FileId> Listener::file_at(const std::string& path) {
  struct stat found {};
  if (::lstat(path.c_str(), &found) != 0) return {};
  return FileId{found.st_dev, found.st_ino};
}

void Listener::accept() {
  acceptor_.async_accept([weak = weak_from_this()](ErrorCode error, Socket socket) {
    if (auto self = weak.lock()) self->on_accepted(error, std::move(socket));
  });
}

void Listener::on_accepted(ErrorCode error, Socket socket) {
  if (error) {
    // Out of descriptors, mostly: asking again at once would spin.
    log_(fmt::format("cannot accept on {}: {}", where_, error.message()));
    retry_.expires_after(std::chrono::milliseconds(200));
    retry_.async_wait([weak = weak_from_this()](ErrorCode cancelled) {
      auto self = weak.lock();
      if (!cancelled && self) self->accept();
    });
    return;
  }
  std::string peer = where_;
  ErrorCode ignored;
  // the largest answer leaves in one write: 128 KiB, which the kernel counts twice
  socket.set_option(asio::socket_base::send_buffer_size(512 << 10), ignored);
  if (!file_.has_value()) {
    socket.set_option(tcp::no_delay(true), ignored); // a debugger waits for every small answer
    notice_dead_hosts(socket);
    if (const auto remote = socket.remote_endpoint(ignored); !ignored) {
      peer = describe(tcp_of(remote));
    }
  }
  const Status welcome = any_user_ ? Status(Done{}) : check_peer(socket);
  if (welcome) {
    accepted_(std::move(socket), std::move(peer));
  } else {
    log_(fmt::format("refused {}: {}", peer, welcome.error().what)); // closes the socket
  }
  accept();
}

} // namespace kdbg::server
