#pragma once
/// Where to listen, as written on the command line.
#include "adapter/result.hpp"
#include "adapter/types.hpp"

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <string>
#include <variant>

namespace kdbg::server {

struct UnixPath {
  std::string path;
};
/// Standard input and output: the one client is there already.
struct Stdio {};
using ListenAddress = std::variant<boost::asio::ip::tcp::endpoint, UnixPath, Stdio>;

/// An address, and what those who come there may do.
struct ListenPlace {
  ListenAddress address;
  Role role = Role::control;
};
/// As parse_listen_address; with `,observe` behind it for clients that may only look.
Result<ListenPlace> parse_listen_place(std::string_view text, bool allow_remote);

/// HOST:PORT, [V6]:PORT, :PORT (loopback), unix:PATH or stdio. HOST is a number or localhost. An
/// address beyond loopback is bad_request unless `allow_remote`.
Result<ListenAddress> parse_listen_address(std::string_view text, bool allow_remote);
/// As it is written on the command line.
std::string describe(const ListenAddress& address);
/// Of a socket that is known to be one of TCP's.
boost::asio::ip::tcp::endpoint tcp_of(const boost::asio::generic::stream_protocol::endpoint& from);

} // namespace kdbg::server
