#pragma once
/// Who may come in by HTTP, and to what: every check of a request, before anything acts on it.
/// Knows no socket: a request in, a decision out.
#include "adapter/server/gateway/http_head.hpp"
#include "adapter/server/gateway/tokens.hpp"

#include <variant>

namespace kdbg::server {

/// What a request is held against. Lists are exact: no name is looked up, no address rewritten.
struct DoorRules {
  std::vector<std::string> hosts;   ///< what Host may say
  std::vector<std::string> origins; ///< what Origin may say; it may also be absent
  Tokens tokens;
  Role role = Role::control; ///< at most, for who comes to this address
};

/// `local`: the address that the client has reached, "127.0.0.1:1234" or "[::1]:1234", and whether
/// it is of this machine alone; empty for a unix socket, where no browser comes.
std::vector<std::string> hosts_of(std::string_view local, std::uint16_t port, bool loopback);
/// The pages of these hosts, and what the user allows.
std::vector<std::string> origins_of(const std::vector<std::string>& hosts,
                                    const std::vector<std::string>& allowed);
/// An origin as browsers write it: scheme://host or scheme://host:port.
bool is_origin(std::string_view text);

/// The whole answer, after which the connection ends.
struct HttpAnswer {
  int status = 200;
  std::string bytes;
};
/// To be a WebSocket.
struct Upgrade {
  enum class Service : std::uint8_t { dap, rsp };
  Service service;
  Role role;
  /// The request that whoever accepts the upgrade shall see: without the token, without
  /// extensions, and with the one subprotocol that it answers, if any.
  std::string request;
};
using Decision = std::variant<HttpAnswer, Upgrade>;

/// `behind`: the client has sent something after the head already.
Decision decide(const HttpRequest& request, bool behind, const DoorRules& rules);
/// `text` is for people: one line.
HttpAnswer refusal(int status, std::string_view text);

} // namespace kdbg::server
