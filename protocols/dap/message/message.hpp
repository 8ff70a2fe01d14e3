#pragma once
/// The envelopes of the protocol: a client's message checked, a response or an event as text.
#include "protocols/dap/message/fields.hpp"

#include <string>
#include <string_view>

namespace kdbg::dap {

struct Request {
  std::int64_t seq = 0;
  std::string command;
  Json arguments = Json::object();
};

/// A message that is not a request that can be run. `seq` and `command` are as far as they could be
/// read.
struct Malformed {
  std::int64_t seq = 0;
  std::string command;
  Error error;
};

/// How deeply a message's JSON may nest.
inline constexpr int max_depth = 64;

/// Invalid UTF-8, JSON that does not parse or nests too deep, and an envelope that is none are
/// Malformed.
std::variant<Request, Malformed> parse_request(std::string_view text);

/// The texts; `seq` is ours.
std::string response(std::int64_t seq, const Request& to, const Json& body);
std::string
error_response(std::int64_t seq, std::int64_t to, std::string_view command, const Error& error);
std::string event(std::int64_t seq, std::string_view name, const Json& body);

} // namespace kdbg::dap
