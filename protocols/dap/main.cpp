#include "protocols/dap/loop.hpp"
#include "protocols/dap/wire/stream_channel.hpp"

#include <lldb/API/SBDebugger.h>

#include <csignal>
#include <fcntl.h>
#include <unistd.h>

int main() {
  std::signal(SIGPIPE, SIG_IGN);
  // whatever a library prints must not get between two messages
  const int out = ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
  ::dup2(STDERR_FILENO, STDOUT_FILENO);
  const int in = ::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
  lldb::SBDebugger::Initialize();
  kdbg::dap::StreamChannel channel(in, out);
  const int status = kdbg::dap::serve(channel, {});
  lldb::SBDebugger::Terminate();
  return status;
}
