#include "protocols/dap/control/guest_process.hpp"

#include "protocols/dap/control/dial.hpp"

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <poll.h>
#include <signal.h>
#include <sstream>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <utility>

namespace kdbg::dap {
namespace {

namespace fs = std::filesystem;
constexpr char let_live = 'l';

Result<std::string> private_folder() {
  const char* const runtime = std::getenv("XDG_RUNTIME_DIR"); // NOLINT(concurrency-mt-unsafe)
  std::string name = fmt::format("{}/kvmdbg-dap-XXXXXX", runtime && *runtime ? runtime : "/tmp");
  if (!::mkdtemp(name.data())) return Error{Code::kernel, "cannot make " + name, errno};
  return name;
}

std::string kvmdbg_program() {
  std::error_code none;
  const fs::path here = fs::read_symlink("/proc/self/exe", none).parent_path() / "kvmdbg";
  return fs::exists(here, none) ? here.string() : "kvmdbg";
}

void wake(int) {}

/// Waits for the guest's end or for an order; 0 is an order, or that whoever gives them is gone.
pid_t guest_or_order(pid_t guest, int lifeline, int& status) {
  struct sigaction on_child {};
  on_child.sa_handler = wake;
  ::sigaction(SIGCHLD, &on_child, nullptr);
  sigset_t blocked, before;
  ::sigemptyset(&blocked);
  ::sigaddset(&blocked, SIGCHLD);
  ::sigprocmask(SIG_BLOCK, &blocked, &before);
  ::sigdelset(&before, SIGCHLD);
  for (;;) {
    if (::waitpid(guest, &status, WNOHANG) == guest) return guest;
    pollfd order{lifeline, POLLIN, 0};
    if (::ppoll(&order, 1, nullptr, &before) > 0) return 0;
  }
}

/// The watcher's whole life: no memory is taken, for it comes from a process with threads. It ends
/// as the guest ends.
[[noreturn]] void watch(pid_t guest, int lifeline) {
  int status = 0;
  if (guest_or_order(guest, lifeline, status) == guest) {
    ::_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
  }
  char order = 0;
  if (::read(lifeline, &order, 1) == 1 && order == let_live) ::_exit(0);
  ::kill(guest, SIGTERM);
  for (int tenths = 0; tenths < 20 && ::waitpid(guest, nullptr, WNOHANG) == 0; ++tenths) {
    ::usleep(100'000);
  }
  ::kill(guest, SIGKILL);
  ::_exit(0);
}

} // namespace

Result<GuestProcess> GuestProcess::start(const std::vector<std::string>& arguments) {
  GuestProcess guest(TRY(private_folder()));
  std::vector<std::string> command{kvmdbg_program(), "run", "--listen", guest.address()};
  command.insert(command.end(), arguments.begin(), arguments.end());
  TRY(guest.spawn(command));
  TRY(guest.await_socket());
  return guest;
}

Status GuestProcess::spawn(const std::vector<std::string>& command) {
  std::vector<char*> words;
  for (const std::string& word : command) {
    words.push_back(const_cast<char*>(word.c_str()));
  }
  words.push_back(nullptr);
  const std::string log = folder_ + "/log";
  const int output = ::open(log.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  const int nothing = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  int pipe[2];
  if (output < 0 || nothing < 0 || ::pipe2(pipe, O_CLOEXEC) != 0) {
    return Error{Code::kernel, "cannot prepare to start kvmdbg", errno};
  }
  watcher_ = ::fork();
  if (watcher_ == 0) {
    ::setsid(); // a client's Ctrl-C is not for the guest
    ::close(pipe[1]);
    const pid_t guest = ::fork();
    if (guest == 0) {
      ::dup2(nothing, 0);
      ::dup2(output, 1);
      ::dup2(output, 2);
      ::execvp(words[0], words.data());
      ::dprintf(2, "cannot run %s\n", words[0]);
      ::_exit(127);
    }
    // nothing of the adapter's stays open here, its client least of all
    for (int fd = 0; fd < 1024; ++fd) {
      if (fd != pipe[0]) ::close(fd);
    }
    watch(guest, pipe[0]);
  }
  ::close(pipe[0]);
  ::close(output);
  ::close(nothing);
  lifeline_ = pipe[1];
  if (watcher_ < 0) return Error{Code::kernel, "cannot start a process", errno};
  return Done{};
}

std::string GuestProcess::said() const {
  std::ifstream file(folder_ + "/log");
  std::ostringstream text;
  text << file.rdbuf();
  std::string all = text.str();
  while (!all.empty() && all.back() == '\n') {
    all.pop_back();
  }
  return all;
}

Status GuestProcess::await_socket() {
  using namespace std::chrono;
  const auto deadline = steady_clock::now() + seconds(20);
  for (;;) {
    if (const auto socket = dial(address())) { // the file is there before anybody listens
      ::close(*socket);
      return Done{};
    }
    if (ended()) return Error{Code::closed, "kvmdbg run: " + said()};
    if (steady_clock::now() > deadline) {
      return Error{Code::closed, "kvmdbg run has not listened for 20 s: " + said()};
    }
    std::this_thread::sleep_for(milliseconds(2));
  }
}

std::optional<int> GuestProcess::ended() {
  int status = 0;
  if (watcher_ > 0 && ::waitpid(watcher_, &status, WNOHANG) == watcher_) {
    watcher_ = -1;
    exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  return exit_code_;
}

void GuestProcess::let_go() {
  if (lifeline_ >= 0 && ::write(lifeline_, &let_live, 1) == 1) folder_.clear();
}

void GuestProcess::end() {
  if (lifeline_ >= 0) ::close(std::exchange(lifeline_, -1));
  if (watcher_ > 0) ::waitpid(std::exchange(watcher_, -1), nullptr, 0);
  std::error_code none;
  if (!folder_.empty()) fs::remove_all(folder_, none);
}

GuestProcess::GuestProcess(GuestProcess&& other) noexcept
    : folder_(std::exchange(other.folder_, {})),
      watcher_(std::exchange(other.watcher_, -1)),
      lifeline_(std::exchange(other.lifeline_, -1)),
      exit_code_(other.exit_code_) {}

GuestProcess& GuestProcess::operator=(GuestProcess&& other) noexcept {
  std::swap(folder_, other.folder_);
  std::swap(watcher_, other.watcher_);
  std::swap(lifeline_, other.lifeline_);
  std::swap(exit_code_, other.exit_code_);
  return *this;
}

GuestProcess::~GuestProcess() {
  end();
}

} // namespace kdbg::dap
