#include "adapter/server/gateway/tcp_sent.hpp"

#include <cstddef>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace kdbg::server {

std::optional<bool> tcp_has_sent(int socket) {
  tcp_info info{};
  socklen_t size = sizeof info;
  if (::getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return {};
  // Linux 4.19 and later
  if (size < offsetof(tcp_info, tcpi_bytes_sent) + sizeof info.tcpi_bytes_sent) return {};
  return info.tcpi_bytes_sent > 0;
}

} // namespace kdbg::server
