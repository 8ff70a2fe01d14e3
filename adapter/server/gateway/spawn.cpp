#include "adapter/server/gateway/spawn.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace kdbg::server {
namespace {

Error failed(std::string_view what, int number) {
  return {Code::kernel, fmt::format("cannot {}: {}", what, strerrordesc_np(number)), number};
}

/// What posix_spawn takes, and is to be freed.
struct Plan {
  Plan() {
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
  }
  ~Plan() {
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
  }
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;
  posix_spawn_file_actions_t actions{};
  posix_spawnattr_t attributes{};
};

void plan_signals(Plan& plan) {
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&plan.attributes, &none);
  posix_spawnattr_setsigdefault(&plan.attributes, &all);
  // a Ctrl-C at our terminal is for the guest's debugger, or ends us and so the child's connections
  posix_spawnattr_setpgroup(&plan.attributes, 0);
  posix_spawnattr_setflags(&plan.attributes,
                           POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
}

} // namespace

OwnedFd::~OwnedFd() {
  if (fd_ >= 0) ::close(fd_);
}

Result<pid_t> spawn(const std::string& program,
                    const std::vector<std::string>& arguments,
                    std::span<const OwnedFd> given) {
  const int behind = first_given + static_cast<int>(given.size());
  Plan plan;
  posix_spawn_file_actions_addopen(&plan.actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&plan.actions, STDERR_FILENO, STDOUT_FILENO);
  std::vector<OwnedFd> lifted; // above all that they are copied to
  for (std::size_t i = 0; i < given.size(); ++i) {
    lifted.emplace_back(::fcntl(given[i].get(), F_DUPFD_CLOEXEC, behind));
    if (lifted.back().get() < 0) return failed("copy a descriptor", errno);
    posix_spawn_file_actions_adddup2(&plan.actions, lifted.back().get(),
                                     first_given + static_cast<int>(i));
  }
  posix_spawn_file_actions_addclosefrom_np(&plan.actions, behind);
  plan_signals(plan);
  std::vector<char*> words;
  for (const std::string& argument : arguments) {
    words.push_back(const_cast<char*>(argument.c_str()));
  }
  words.push_back(nullptr);
  pid_t pid = 0;
  const int error =
      ::posix_spawn(&pid, program.c_str(), &plan.actions, &plan.attributes, words.data(), environ);
  if (error != 0) return failed(fmt::format("start {}", program), error);
  return pid;
}

Result<OwnedFd> file_of(std::string_view text) {
  OwnedFd file(::memfd_create("kvmdbg-preamble", MFD_CLOEXEC));
  if (file.get() < 0) return failed("make a file in memory", errno);
  if (::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()) ||
      ::lseek(file.get(), 0, SEEK_SET) != 0) {
    return failed("fill a file in memory", errno);
  }
  return file;
}

Result<SocketPair> socket_pair() {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return failed("make a connection", errno);
  }
  return SocketPair{OwnedFd(ends[0]), OwnedFd(ends[1])};
}

Result<OwnedFd> watch_process(pid_t pid) {
  // always close-on-exec: pidfd_open(2)
  OwnedFd watch(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (watch.get() < 0) return failed(fmt::format("watch process {}", pid), errno);
  return watch;
}

} // namespace kdbg::server
