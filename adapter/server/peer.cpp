#include "adapter/server/peer.hpp"

#include "adapter/server/address.hpp"
#include "adapter/server/sock_diag.hpp"

#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <fstream>
#include <sstream>
#include <sys/socket.h>
#include <unistd.h>

namespace kdbg::server {
namespace {

using boost::asio::ip::tcp;
namespace ip = boost::asio::ip;

/// As proc(5) has it: words of the address in the host's byte order, the port as a number.
std::string word_of(const tcp::endpoint& endpoint) {
  const auto spell = [](const auto& bytes) {
    std::string text;
    for (std::size_t at = 0; at < bytes.size(); at += sizeof(std::uint32_t)) {
      std::uint32_t word = 0;
      std::memcpy(&word, &bytes[at], sizeof word);
      text += fmt::format("{:08X}", word);
    }
    return text;
  };
  const ip::address address = endpoint.address();
  return fmt::format("{}:{:04X}",
                     address.is_v6() ? spell(address.to_v6().to_bytes())
                                     : spell(address.to_v4().to_bytes()),
                     endpoint.port());
}

/// As it may stand in the table of IPv6.
tcp::endpoint mapped(const tcp::endpoint& endpoint) {
  const ip::address address = endpoint.address();
  if (address.is_v6()) return endpoint;
  return {ip::make_address_v6(ip::v4_mapped, address.to_v4()), endpoint.port()};
}

std::string read_whole(const char* path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::optional<std::uint32_t> tcp_owner(const tcp::endpoint& peer, const tcp::endpoint& here) {
  if (auto owner = diagnosed_owner(peer, here)) return owner;
  // the kernel may miss a row while others come and go
  constexpr int attempts = 3;
  for (int i = 0; i < attempts; ++i) {
    if (peer.address().is_v4()) {
      if (auto owner = owner_in(read_whole("/proc/net/tcp"), peer, here)) return owner;
    }
    if (auto owner = owner_in(read_whole("/proc/net/tcp6"), mapped(peer), mapped(here))) {
      return owner;
    }
  }
  return {};
}

Status judge(std::uint32_t user) {
  if (user == 0 || user == ::geteuid()) return Done{};
  return Error{Code::not_owner,
               fmt::format("it is of user {}, not of yours ({}); --any-user would let it in", user,
                           ::geteuid())};
}

} // namespace

std::optional<std::uint32_t>
owner_in(std::string_view table, const tcp::endpoint& own, const tcp::endpoint& other) {
  const std::string wanted = fmt::format(" {} {} ", word_of(own), word_of(other));
  const std::size_t at = table.find(wanted);
  if (at == std::string_view::npos) return {};
  std::istringstream fields(std::string(table.substr(at + wanted.size(), 160)));
  // st tx:rx tr:when retrnsmt uid timeout inode
  std::string skipped;
  std::uint32_t user = 0, timeout = 0;
  std::uint64_t inode = 0;
  fields >> skipped >> skipped >> skipped >> skipped >> user >> timeout >> inode;
  if (!fields || inode == 0) return {};
  return user;
}

Status check_peer(Socket& socket) {
  boost::system::error_code error;
  const auto here = socket.local_endpoint(error);
  if (!error && here.protocol().family() == AF_UNIX) {
    ucred credentials{};
    socklen_t size = sizeof credentials;
    if (::getsockopt(socket.native_handle(), SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) {
      return Error{Code::kernel, fmt::format("whose it is: {}", strerrordesc_np(errno)), errno};
    }
    return judge(credentials.uid);
  }
  const auto there = error ? here : socket.remote_endpoint(error);
  if (error) return Error{Code::closed, "it has left already"};
  const tcp::endpoint peer = tcp_of(there);
  if (!peer.address().is_loopback()) return Done{};
  const auto owner = tcp_owner(peer, tcp_of(here));
  if (owner) return judge(*owner);
  return Error{Code::not_owner, "nobody holds its end of the connection: it has left already, or "
                                "whose it is cannot be told (--any-user would not ask)"};
}

} // namespace kdbg::server
