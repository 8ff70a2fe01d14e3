#pragma once
/// The little of the Debug Adapter Protocol that is said where there is no adapter: why there is
/// none, or that it has ended. Knows no socket.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kdbg::server {

/// Messages that tell a client, and its user, that the session is over.
std::vector<std::string> dap_goodbye(std::string_view why);
/// The answer to a request that fails; to anything else the goodbye.
std::vector<std::string> dap_refusal(std::string_view request, std::string_view why);

/// With its header, for streams.
std::string dap_framed(std::string_view message);

/// What has come of a client's first message.
struct DapFirst {
  bool over = false;          ///< nothing more is needed: it is whole, or no message at all
  std::string_view message{}; ///< when it is whole
};
/// `said`: all that the client has sent so far. A message of more than 64 KiB is none.
DapFirst dap_first(std::string_view said);

} // namespace kdbg::server
