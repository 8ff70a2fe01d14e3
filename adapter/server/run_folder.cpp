#include "adapter/server/run_folder.hpp"

#include "adapter/server/machine_record.hpp"
#include "adapter/server/process.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <sys/stat.h>
#include <unistd.h>

namespace kdbg::server {
namespace {

namespace fs = std::filesystem;

Error refused(const std::string& path, std::string_view why) {
  return {Code::bad_request, fmt::format("the run folder {} {}", path, why)};
}

std::string default_path() {
  // there is no other thread that could set it
  const char* runtime = std::getenv("XDG_RUNTIME_DIR"); // NOLINT(concurrency-mt-unsafe)
  // the XDG specification: a relative path is to be ignored
  if (runtime != nullptr && *runtime == '/') return fmt::format("{}/kvmdbg", runtime);
  return fmt::format("/tmp/kvmdbg-{}", ::geteuid());
}

/// "123.json" is of process 123.
std::optional<std::uint64_t> process_in(const fs::path& file, std::string_view ending) {
  const std::string name = file.filename().string();
  std::uint64_t pid = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
  if (error != std::errc() || std::string_view(end) != ending) return {};
  return pid;
}

/// What a machine has here besides its record.
constexpr std::string_view socket_ending = ".sock", control_ending = ".token",
                           observe_ending = ".observe-token";
constexpr std::string_view endings[] = {socket_ending, control_ending, observe_ending};

/// A new file that is this user's alone from its beginning.
Status write_secret(const std::string& path, std::string_view text) {
  ::unlink(path.c_str());
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR);
  const bool written =
      file >= 0 && ::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  const int error = errno;
  if (file >= 0) ::close(file);
  if (written) return Done{};
  return Error{Code::kernel, fmt::format("cannot write {}: {}", path, strerrordesc_np(error)),
               error};
}

} // namespace

Result<RunFolder> RunFolder::open() {
  return open_at(default_path());
}

Result<RunFolder> RunFolder::open_at(std::string path) {
  if (::mkdir(path.c_str(), S_IRWXU) != 0 && errno != EEXIST) {
    return refused(path, fmt::format("cannot be made: {}", strerrordesc_np(errno)));
  }
  struct stat found {};
  if (::lstat(path.c_str(), &found) != 0 || !S_ISDIR(found.st_mode)) {
    return refused(path, "is no folder");
  }
  if (found.st_uid != ::geteuid()) {
    return refused(path,
                   fmt::format("belongs to user {}, not to you ({})", found.st_uid, ::geteuid()));
  }
  if ((found.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    return refused(path, fmt::format("is open to others (mode {:o}, want 700)",
                                     found.st_mode & (S_IRWXU | S_IRWXG | S_IRWXO)));
  }
  return RunFolder(std::move(path));
}

std::string RunFolder::socket_of(std::uint64_t pid) const {
  return fmt::format("{}/{}{}", path_, pid, socket_ending);
}

std::string RunFolder::record_of(std::uint64_t pid) const {
  return fmt::format("{}/{}.json", path_, pid);
}

RunFolder::Entry::~Entry() {
  ::unlink(path_.c_str());
}

Result<std::unique_ptr<RunFolder::Entry>> RunFolder::add(const MachineRecord& record) const {
  const std::string path = record_of(record.pid), unnamed = path + ".new";
  std::ofstream out(unnamed, std::ios::trunc);
  out << render_record(record);
  out.close();
  if (!out || ::rename(unnamed.c_str(), path.c_str()) != 0) {
    const int error = errno;
    ::unlink(unnamed.c_str());
    return Error{Code::kernel, fmt::format("cannot write {}: {}", path, strerrordesc_np(error)),
                 error};
  }
  return std::unique_ptr<Entry>(new Entry(path));
}

Result<RunFolder::TokenFiles> RunFolder::add_tokens(std::uint64_t pid, const Tokens& tokens) const {
  const auto add = [&](std::string_view ending,
                       const std::string& token) -> Result<std::unique_ptr<Entry>> {
    const std::string path = fmt::format("{}/{}{}", path_, pid, ending);
    TRY(write_secret(path, token + "\n"));
    return std::unique_ptr<Entry>(new Entry(path));
  };
  TokenFiles files;
  files.control = TRY(add(control_ending, tokens.control));
  files.observe = TRY(add(observe_ending, tokens.observe));
  return files;
}

std::optional<MachineInfo> RunFolder::read(std::uint64_t pid) const {
  auto process = look_at_process(pid);
  std::ifstream in(record_of(pid));
  auto record = parse_record(std::string(std::istreambuf_iterator<char>(in), {}));
  if (process && record && record->pid == pid && record->born == process->born) {
    return MachineInfo{std::move(*record), process->owner};
  }
  if (!process || record) forget(pid); // else it may be of a later version, and lives
  return {};
}

void RunFolder::forget(std::uint64_t pid) const {
  ::unlink(record_of(pid).c_str());
  for (const std::string_view ending : endings) {
    ::unlink(fmt::format("{}/{}{}", path_, pid, ending).c_str());
  }
}

std::vector<MachineInfo> RunFolder::machines() const {
  std::vector<MachineInfo> found;
  std::error_code error;
  for (const auto& file : fs::directory_iterator(path_, error)) {
    if (const auto pid = process_in(file.path(), ".json")) {
      if (auto machine = read(*pid)) found.push_back(std::move(*machine));
    }
    for (const std::string_view ending : endings) {
      // a machine listens before it has a record
      const auto owner = process_in(file.path(), ending);
      if (owner && !look_at_process(*owner)) forget(*owner);
    }
  }
  std::sort(found.begin(), found.end(),
            [](const auto& a, const auto& b) { return a.record.pid < b.record.pid; });
  return found;
}

} // namespace kdbg::server
