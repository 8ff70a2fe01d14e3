#include "adapter/server/address.hpp"

#include <boost/asio/local/stream_protocol.hpp>

#include <charconv>
#include <cstring>
#include <fmt/format.h>
#include <sys/un.h>

namespace kdbg::server {
namespace {

namespace ip = boost::asio::ip;

Error bad(std::string_view text, std::string_view why) {
  return Error{Code::bad_request, fmt::format("listen address \"{}\": {}", text, why)};
}

Result<ListenAddress> parse_unix(std::string_view text, std::string_view path) {
  constexpr std::size_t limit = sizeof(sockaddr_un::sun_path) - 1;
  if (path.empty()) return bad(text, "no path");
  if (path.size() > limit) {
    return bad(
        text, fmt::format("the path has {} bytes, a unix socket's at most {}", path.size(), limit));
  }
  return ListenAddress(UnixPath{std::string(path)});
}

Result<std::uint16_t> parse_port(std::string_view text, std::string_view digits) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (digits.empty() || error != std::errc() || end != digits.data() + digits.size()) {
    return bad(text, fmt::format("\"{}\" is no port from 0 to 65535", digits));
  }
  return port;
}

Result<ip::address> parse_host(std::string_view text, std::string_view host) {
  if (host.empty() || host == "localhost") return ip::address(ip::address_v4::loopback());
  const bool bracketed = host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  boost::system::error_code error;
  const ip::address address = ip::make_address(std::string(host), error);
  if (error || address.is_v6() != bracketed) {
    return bad(text,
               "want HOST:PORT, [V6]:PORT, :PORT, unix:PATH or stdio, HOST a number or localhost");
  }
  return address;
}

} // namespace

Result<ListenPlace> parse_listen_place(std::string_view text, bool allow_remote) {
  constexpr std::string_view observe = ",observe";
  ListenPlace place;
  if (text.ends_with(observe)) {
    place.role = Role::observe;
    text.remove_suffix(observe.size());
  }
  place.address = TRY(parse_listen_address(text, allow_remote));
  return place;
}

Result<ListenAddress> parse_listen_address(std::string_view text, bool allow_remote) {
  if (text == "stdio") return ListenAddress(Stdio{});
  constexpr std::string_view unix_word = "unix:";
  if (text.starts_with(unix_word)) return parse_unix(text, text.substr(unix_word.size()));
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) {
    return bad(text, "want HOST:PORT, [V6]:PORT, :PORT, unix:PATH or stdio");
  }
  const ip::address host = TRY(parse_host(text, text.substr(0, colon)));
  const std::uint16_t port = TRY(parse_port(text, text.substr(colon + 1)));
  if (!host.is_loopback() && !allow_remote) {
    return bad(text, "whoever reaches a debug port owns the guest; "
                     "add --allow-remote to listen beyond this machine");
  }
  return ListenAddress(ip::tcp::endpoint(host, port));
}

std::string describe(const ListenAddress& address) {
  if (std::holds_alternative<Stdio>(address)) return "stdio";
  if (const auto* local = std::get_if<UnixPath>(&address)) return "unix:" + local->path;
  const auto& endpoint = *std::get_if<ip::tcp::endpoint>(&address);
  std::string host = endpoint.address().to_string();
  if (endpoint.address().is_v6()) host = "[" + host + "]";
  return fmt::format("{}:{}", host, endpoint.port());
}

ip::tcp::endpoint tcp_of(const boost::asio::generic::stream_protocol::endpoint& from) {
  ip::tcp::endpoint to;
  to.resize(from.size());
  std::memcpy(to.data(), from.data(), from.size());
  return to;
}

} // namespace kdbg::server
