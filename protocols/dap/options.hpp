#pragma once
/// The command line of kvmdbg-dap as a value.
#include <string>
#include <variant>
#include <vector>

namespace kdbg::dap {

struct Options {
  /// What a server hands to a worker: descriptors, -1 for none.
  int client = -1, preamble = -1, lldb = -1, control = -1;
  bool websocket = false, observe = false;
  std::string index_cache; ///< folder that all adapters share for LLDB's symbol index, or empty
  std::string program;     ///< of a client that names none, or empty
  std::string peer;        ///< the client's address, for what others are shown
  std::vector<std::string>
      roots; ///< folders whose files a client may read; none: all, it is its own user
};

/// The options, or the exit code of what was printed instead.
std::variant<Options, int> parse_options(int argc, const char* const* argv);

} // namespace kdbg::dap
