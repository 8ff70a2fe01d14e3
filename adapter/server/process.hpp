#pragma once
/// What /proc says of a process.
#include "adapter/machines.hpp"

namespace kdbg::server {

struct Process {
  std::uint64_t born = 0; ///< ticks since boot
  ProcessOwner owner;
};

/// no_such_vcpu when it has ended, also when its parent has yet to be told.
Result<Process> look_at_process(std::uint64_t pid);

/// SIGTERM to the process that was born then, and to no other that has its id since.
Status ask_to_end(std::uint64_t pid, std::uint64_t born);

} // namespace kdbg::server
