#include "protocols/dap/loop.hpp"
#include "protocols/dap/options.hpp"
#include "protocols/dap/wire/stream_channel.hpp"
#include "protocols/dap/wire/web_channel.hpp"

#include <lldb/API/SBDebugger.h>

#include <csignal>
#include <cstdio>
#include <fcntl.h>
#include <unistd.h>

namespace kdbg::dap {
namespace {

/// All of a file that another process has written, from its start.
std::string whole_file(int file) {
  std::string text;
  char bytes[4096];
  for (ssize_t got = 0;
       (got = ::pread(file, bytes, sizeof bytes, static_cast<off_t>(text.size()))) > 0;) {
    text.append(bytes, static_cast<std::size_t>(got));
  }
  return text;
}

Result<std::unique_ptr<Channel>> open_channel(const Options& options) {
  const std::string begun = options.preamble < 0 ? "" : whole_file(options.preamble);
  if (options.websocket) {
    return std::unique_ptr<Channel>(TRY(WebChannel::accept(options.client, begun)));
  }
  if (options.client >= 0) {
    return std::unique_ptr<Channel>(
        std::make_unique<StreamChannel>(options.client, options.client, begun));
  }
  const int in = ::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
  const int out = ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
  // whatever a library prints must not get between two messages
  ::dup2(STDERR_FILENO, STDOUT_FILENO);
  return std::unique_ptr<Channel>(std::make_unique<StreamChannel>(in, out, begun));
}

/// A large kernel's names are then indexed once, not by each client's process.
void share_index(const std::string& folder) {
  for (const auto& [setting, value] :
       {std::pair{"symbols.enable-lldb-index-cache", std::string("true")},
        std::pair{"symbols.lldb-index-cache-path", folder}}) {
    lldb::SBDebugger::SetInternalVariable(setting, value.c_str(), "");
  }
}

int run(const Options& options) {
  std::signal(SIGPIPE, SIG_IGN);
  auto channel = open_channel(options);
  if (!channel) {
    std::fprintf(stderr, "kvmdbg-dap: %s\n", channel.error().what.c_str());
    return 1;
  }
  lldb::SBDebugger::Initialize();
  if (!options.index_cache.empty()) share_index(options.index_cache);
  return serve(**channel, {options.lldb, options.control, options.observe, options.peer,
                           options.roots, options.program});
}

} // namespace
} // namespace kdbg::dap

int main(int argc, char** argv) {
  const auto options = kdbg::dap::parse_options(argc, argv);
  if (const int* code = std::get_if<int>(&options)) return *code;
  const int status = kdbg::dap::run(*std::get_if<kdbg::dap::Options>(&options));
  // LLDB's own way out would end or move the guest; the server sees two connections close
  ::_exit(status);
}
