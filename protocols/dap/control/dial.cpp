#include "protocols/dap/control/dial.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <memory>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace kdbg::dap {
namespace {

constexpr int patience = 5000; // milliseconds

Error unreachable(std::string_view address, int error) {
  return {Code::closed,
          fmt::format("cannot connect to {}: {}", address, std::generic_category().message(error)),
          error};
}

/// 0, or errno.
int connect_within(int socket, const sockaddr* to, socklen_t length) {
  const int flags = ::fcntl(socket, F_GETFL);
  ::fcntl(socket, F_SETFL, flags | O_NONBLOCK);
  int error = ::connect(socket, to, length) == 0 ? 0 : errno;
  if (error == EINPROGRESS) {
    pollfd ready{socket, POLLOUT, 0};
    socklen_t size = sizeof error;
    if (::poll(&ready, 1, patience) <= 0) {
      error = ETIMEDOUT;
    } else {
      ::getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &size);
    }
  }
  ::fcntl(socket, F_SETFL, flags);
  return error;
}

Result<int> dial_unix(std::string_view address, std::string_view path) {
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof to.sun_path) {
    return Error{Code::bad_request, fmt::format("server: a socket's path has 1 to {} bytes: {}",
                                                sizeof to.sun_path - 1, address)};
  }
  std::memcpy(to.sun_path, path.data(), path.size());
  const int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (socket < 0) return unreachable(address, errno);
  const int error = connect_within(socket, reinterpret_cast<const sockaddr*>(&to), sizeof to);
  if (error == 0) return socket;
  ::close(socket);
  return unreachable(address, error);
}

Result<int> dial_tcp(std::string_view address, std::string host, const std::string& port) {
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  const int off =
      ::getaddrinfo(host.empty() ? "127.0.0.1" : host.c_str(), port.c_str(), &hints, &list);
  if (off != 0) {
    return Error{Code::bad_request, fmt::format("server: {}: {}", address, ::gai_strerror(off))};
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(list, &::freeaddrinfo);
  int error = ECONNREFUSED;
  for (const addrinfo* one = list; one; one = one->ai_next) {
    const int socket = ::socket(one->ai_family, one->ai_socktype | SOCK_CLOEXEC, one->ai_protocol);
    if (socket < 0) continue;
    error = connect_within(socket, one->ai_addr, one->ai_addrlen);
    if (error == 0) {
      const int on = 1; // a packet waits for its answer
      ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      return socket;
    }
    ::close(socket);
  }
  return unreachable(address, error);
}

} // namespace

Result<int> dial(std::string_view address) {
  constexpr std::string_view unix_prefix = "unix:";
  if (address.starts_with(unix_prefix)) {
    return dial_unix(address, address.substr(unix_prefix.size()));
  }
  const std::size_t colon = address.rfind(':');
  if (colon == address.npos || colon + 1 == address.size()) {
    return Error{Code::bad_request,
                 fmt::format("server must be HOST:PORT or unix:PATH, not {}", address)};
  }
  return dial_tcp(address, std::string(address.substr(0, colon)),
                  std::string(address.substr(colon + 1)));
}

} // namespace kdbg::dap
