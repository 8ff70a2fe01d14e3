#include "adapter/server/process.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fmt/format.h>
#include <fstream>
#include <sstream>
#include <sys/syscall.h>
#include <unistd.h>

namespace kdbg::server {
namespace {

Error no_process(std::uint64_t pid) {
  return {Code::no_such_vcpu, fmt::format("there is no process {}", pid)};
}

std::string read_whole(const std::string& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// "Uid:\t0\t0\t0\t0": real, effective.
bool read_ids(const std::string& status,
              std::string_view key,
              std::uint64_t& real,
              std::uint64_t& effective) {
  const std::size_t at = status.find(key);
  if (at == std::string::npos) return false;
  std::istringstream words(status.substr(at + key.size(), 64));
  return bool(words >> real >> effective);
}

} // namespace

Result<Process> look_at_process(std::uint64_t pid) {
  const std::string folder = fmt::format("/proc/{}/", pid);
  const std::string stat = read_whole(folder + "stat");
  // proc(5): pid (name) state ppid ...; the name may hold anything
  const std::size_t name_end = stat.rfind(") ");
  if (name_end == std::string::npos) return no_process(pid);
  std::istringstream fields(stat.substr(name_end + 2));
  Process process;
  char state = 0;
  fields >> state >> process.owner.parent;
  constexpr int parent_field = 4, start_field = 22;
  std::string skipped;
  for (int field = parent_field + 1; field < start_field; ++field) {
    fields >> skipped;
  }
  fields >> process.born;
  const std::string status = read_whole(folder + "status");
  if (!fields || state == 'Z' || state == 'X' ||
      !read_ids(status, "\nUid:", process.owner.uid, process.owner.euid) ||
      !read_ids(status, "\nGid:", process.owner.gid, process.owner.egid)) {
    return no_process(pid);
  }
  return process;
}

Status ask_to_end(std::uint64_t pid, std::uint64_t born) {
  // whoever it is now, it stays the same one
  const auto held = static_cast<int>(::syscall(SYS_pidfd_open, static_cast<pid_t>(pid), 0));
  if (held < 0) return no_process(pid);
  auto process = look_at_process(pid);
  const bool same = process && process->born == born;
  const bool sent = same && ::syscall(SYS_pidfd_send_signal, held, SIGTERM, nullptr, 0) == 0;
  const int error = errno;
  ::close(held);
  if (!same) return no_process(pid);
  if (sent) return Done{};
  return Error{Code::kernel,
               fmt::format("cannot signal process {}: {}", pid, strerrordesc_np(error)), error};
}

} // namespace kdbg::server
