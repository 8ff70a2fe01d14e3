#pragma once
/// Where to listen, as written on the command line.
#include "adapter/result.hpp"

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

/// HOST:PORT, [V6]:PORT, :PORT (loopback), unix:PATH or stdio. HOST is a number or localhost. An
/// address beyond loopback is bad_request unless `allow_remote`.
Result<ListenAddress> parse_listen_address(std::string_view text, bool allow_remote);
/// As it is written on the command line.
std::string describe(const ListenAddress& address);

} // namespace kdbg::server
