#include "plugins/lldb/child.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <spawn.h>
#include <sstream>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>

namespace kdbg::lldb_plugin {
namespace {

namespace fs = std::filesystem;

constexpr int start_limit = 20'000; // milliseconds until it listens
constexpr int end_limit = 3'000;    // milliseconds until it is killed

/// Runs its arguments as long as descriptor 3 is open at its other end, which is in lldb: an lldb
/// that ends runs none of our code (22), or was killed.
constexpr const char* as_long_as_lldb = R"(
"$@" 3<&- &
guest=$!
{ read -r none; trap '' TERM; kill $guest; rm -rf "$0"; } <&3 &
watch=$!
wait $guest
status=$?
kill $watch
exit $status
)";

Error failed(std::string_view what, int number) {
  return {Code::kernel, fmt::format("{}: {}", what, std::system_category().message(number)),
          number};
}

/// Where a program's standard output and error go, and what it gets as descriptor 3 (or -1).
struct Files {
  std::string output, errors;
  int third = -1;
};

/// A program in a session of its own, so that a Ctrl-C for lldb is not for it.
Result<pid_t> spawn(const std::vector<std::string>& command, const Files& to) {
  std::vector<char*> words;
  words.reserve(command.size() + 1);
  for (const std::string& word : command) {
    words.push_back(const_cast<char*>(word.c_str()));
  }
  words.push_back(nullptr);
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  const int write = O_WRONLY | O_CREAT | O_APPEND;
  posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, to.output.c_str(), write, 0600);
  posix_spawn_file_actions_addopen(&files, STDERR_FILENO, to.errors.c_str(), write, 0600);
  if (to.third >= 0) posix_spawn_file_actions_adddup2(&files, to.third, 3);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t signals;
  sigemptyset(&signals);
  posix_spawnattr_setsigmask(&attributes, &signals); // lldb blocks and ignores some
  sigfillset(&signals);
  posix_spawnattr_setsigdefault(&attributes, &signals);
  posix_spawnattr_setflags(
      &attributes,
      static_cast<short>(POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF));
  pid_t pid = 0;
  const int error = posix_spawn(&pid, words[0], &files, &attributes, words.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&files);
  if (error) return failed(command[0], error);
  return pid;
}

void pause_briefly() {
  usleep(10'000);
}

} // namespace

Result<std::string> private_folder() {
  const char* const runtime = std::getenv("XDG_RUNTIME_DIR"); // NOLINT(concurrency-mt-unsafe)
  std::string folder = fmt::format("{}/kvmdbg-lldb-XXXXXX", runtime && *runtime ? runtime : "/tmp");
  if (!mkdtemp(folder.data())) return failed(folder, errno);
  return folder;
}

std::string text_of_file(const std::string& path) {
  const std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return std::move(text).str();
}

Result<std::string> output_of(const std::vector<std::string>& command) {
  const std::string folder = TRY(private_folder());
  const auto pid = spawn(command, {folder + "/output", "/dev/null"});
  int status = 0;
  const bool done = pid && waitpid(*pid, &status, 0) == *pid && status == 0;
  std::string text = text_of_file(folder + "/output");
  std::error_code none; // a folder that stays is no reason to fail
  fs::remove_all(folder, none);
  if (!pid) return pid.error();
  if (done) return text;
  return Error{Code::closed,
               fmt::format("'{}' ended with status {}", command[0], WEXITSTATUS(status))};
}

Result<Machine> Machine::start(const std::string& program,
                               const std::vector<std::string>& arguments) {
  Machine machine(TRY(private_folder()));
  std::vector<std::string> command = {
      "/bin/sh", "-c",  as_long_as_lldb, machine.folder_,
      program,   "run", "--listen",      "unix:" + machine.socket()};
  const bool elsewhere =
      std::any_of(arguments.begin(), arguments.end(),
                  [](const std::string& word) { return word.rfind("--console", 0) == 0; });
  if (!elsewhere) command.insert(command.end(), {"--console", "none"});
  command.insert(command.end(), arguments.begin(), arguments.end());
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC)) return failed("a pipe", errno);
  machine.lifeline_ = ends[1];
  const auto pid = spawn(command, {"/dev/null", machine.folder_ + "/log", ends[0]});
  close(ends[0]);
  if (!pid) return pid.error();
  machine.pid_ = *pid;
  TRY(machine.await_socket());
  return machine;
}

Machine::Machine(Machine&& other) noexcept
    : folder_(std::exchange(other.folder_, {})),
      pid_(std::exchange(other.pid_, 0)),
      lifeline_(std::exchange(other.lifeline_, -1)) {}

Machine& Machine::operator=(Machine&& other) noexcept {
  std::swap(folder_, other.folder_);
  std::swap(pid_, other.pid_);
  std::swap(lifeline_, other.lifeline_);
  return *this;
}

Machine::~Machine() {
  if (lifeline_ >= 0) close(lifeline_);
  for (int waited = 0; runs(); waited += 10) {
    if (waited == end_limit) kill(-pid_, SIGKILL);
    pause_briefly();
  }
  std::error_code none; // nobody is left to tell
  if (!folder_.empty()) fs::remove_all(folder_, none);
}

bool Machine::runs() {
  if (pid_ > 0 && waitpid(pid_, nullptr, WNOHANG) != 0) pid_ = 0;
  return pid_ > 0;
}

std::string Machine::said() const {
  std::string text = text_of_file(folder_ + "/log");
  while (!text.empty() && text.back() == '\n') {
    text.pop_back();
  }
  return text.empty() ? "it said nothing" : text;
}

Status Machine::await_socket() {
  for (int waited = 0; waited < start_limit; waited += 10) {
    if (!runs()) return Error{Code::closed, "kvmdbg did not start: " + said()};
    if (fs::exists(socket())) return Done{};
    pause_briefly();
  }
  return Error{Code::closed,
               fmt::format("kvmdbg does not listen after {} s: {}", start_limit / 1000, said())};
}

} // namespace kdbg::lldb_plugin
