#include "adapter/server/sock_diag.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <cstring>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <sys/socket.h>
#include <unistd.h>

namespace kdbg::server {
namespace {

using boost::asio::ip::tcp;

struct Question {
  nlmsghdr header{};
  inet_diag_req_v2 wanted{};
};

void put_address(const tcp::endpoint& endpoint, __be32 (&words)[4]) {
  const auto put = [&](const auto& bytes) { std::memcpy(words, bytes.data(), bytes.size()); };
  const auto address = endpoint.address();
  address.is_v6() ? put(address.to_v6().to_bytes()) : put(address.to_v4().to_bytes());
}

Question question(const tcp::endpoint& own, const tcp::endpoint& other) {
  Question out;
  out.header.nlmsg_len = sizeof out;
  out.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  out.header.nlmsg_flags = NLM_F_REQUEST; // not a dump: this one connection
  out.wanted.sdiag_family = own.address().is_v6() ? AF_INET6 : AF_INET;
  out.wanted.sdiag_protocol = IPPROTO_TCP;
  out.wanted.idiag_states = UINT32_MAX;
  out.wanted.id.idiag_sport = htons(own.port());
  out.wanted.id.idiag_dport = htons(other.port());
  put_address(own, out.wanted.id.idiag_src);
  put_address(other, out.wanted.id.idiag_dst);
  out.wanted.id.idiag_cookie[0] = out.wanted.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
  return out;
}

} // namespace

std::optional<std::uint32_t> diagnosed_owner(const tcp::endpoint& own, const tcp::endpoint& other) {
  const int socket = ::socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
  if (socket < 0) return {};
  const Question asked = question(own, other);
  std::array<std::byte, 1024> answer{};
  // the kernel answers before `send` returns
  ssize_t got = ::send(socket, &asked, sizeof asked, 0);
  if (got > 0) got = ::recv(socket, answer.data(), answer.size(), MSG_DONTWAIT);
  ::close(socket);
  nlmsghdr header{};
  inet_diag_msg found{};
  if (got < static_cast<ssize_t>(NLMSG_HDRLEN + sizeof found)) return {};
  std::memcpy(&header, answer.data(), sizeof header);
  std::memcpy(&found, &answer[NLMSG_HDRLEN], sizeof found);
  if (header.nlmsg_type != SOCK_DIAG_BY_FAMILY || found.idiag_inode == 0) return {};
  return found.idiag_uid;
}

} // namespace kdbg::server
