#pragma once
/// The command line as a value.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace kdbg::server {

/// The version of the program.
std::string_view version();

struct RunOptions {
  std::string image, initrd, append, console, trace, kill = "detach";
  std::string dump_folder; ///< for `monitor dump`; "": the working directory
  std::string irqchip;     ///< "kernel", "none" or "": as the image wants
  std::vector<std::string> listen;
  std::size_t cpus = 1;
  std::uint64_t memory = std::uint64_t{128} << 20; ///< bytes
  std::optional<std::uint64_t> flat;               ///< the image is a flat binary for this address
  bool firmware = false;                           ///< the image is firmware that ends at 4 GiB
  std::string name;                                ///< what lists of machines show
  std::string debug_port; ///< file for what firmware writes to port 0x402; "": no port
  bool go = false, allow_remote = false, any_user = false;
  std::vector<std::string> origins; ///< pages of these may come, too
  std::string dap;                  ///< the debug adapter's program; "": looked for
  std::vector<std::string> roots;   ///< where debug adapters may read files
  std::size_t max_workers = 8;
  unsigned worker_timeout = 60;       ///< seconds
  std::string audit;                  ///< file; "": none
  std::vector<std::uint64_t> scratch; ///< address and bytes that debuggers may use, or nothing
};
struct ListOptions {
  bool json = false;
};
struct PlatformOptions {
  std::vector<std::string> listen;
  bool allow_remote = false, any_user = false;
};
struct ProbeOptions {
  bool json = false;
};
struct DumpOptions {
  std::string connect, file;
  bool force = false; ///< replace an existing file
};
using Options = std::variant<RunOptions, ListOptions, PlatformOptions, ProbeOptions, DumpOptions>;

/// Exit codes, as --help documents them.
enum ExitCode : int { exit_done = 0, exit_failed = 1, exit_usage = 2, exit_no_kvm = 3 };

/// The options, or the exit code of what was printed instead (help, version, a usage error).
std::variant<Options, int> parse_options(int argc, const char* const* argv);

} // namespace kdbg::server
