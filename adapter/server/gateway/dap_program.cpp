#include "adapter/server/gateway/dap_program.hpp"

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <string_view>
#include <unistd.h>

namespace kdbg::server {
namespace {

namespace fs = std::filesystem;

constexpr const char* name = "kvmdbg-dap";

bool runs(const fs::path& program) {
  std::error_code error;
  return fs::is_regular_file(program, error) && ::access(program.c_str(), X_OK) == 0;
}

/// "" for what is not set or empty.
std::string variable(const char* key) {
  // there is no other thread that could set it
  const char* value = std::getenv(key); // NOLINT(concurrency-mt-unsafe)
  return value == nullptr ? std::string() : std::string(value);
}

/// "" where there is no home.
std::string index_cache_folder() {
  std::string cache = variable("XDG_CACHE_HOME");
  // the XDG specification: a relative path is to be ignored
  if (!cache.starts_with('/')) {
    const std::string home = variable("HOME");
    if (!home.starts_with('/')) return {};
    cache = home + "/.cache";
  }
  return cache + "/kvmdbg/lldb-index";
}

/// What may have symbols: a compressed kernel has none.
bool is_elf(const std::string& path) {
  std::array<char, 4> magic{};
  std::ifstream(path, std::ios::binary).read(magic.data(), magic.size());
  return std::string_view(magic.data(), magic.size()) == "\x7f"
                                                         "ELF";
}

} // namespace

Result<std::string> find_dap_program(const std::string& asked) {
  if (!asked.empty()) {
    if (runs(asked)) return asked;
    return Error{Code::unsupported,
                 fmt::format("the debug adapter {} (--dap) is no program that can be run", asked)};
  }
  std::error_code error;
  const fs::path beside = fs::read_symlink("/proc/self/exe", error).parent_path() / name;
  if (!error && runs(beside)) return beside.string();
  const std::string path = variable("PATH");
  for (std::size_t at = 0; at < path.size();) {
    const std::size_t end = std::min(path.find(':', at), path.size());
    const fs::path candidate = fs::path(path.substr(at, end - at)) / name;
    // a relative folder would be whatever stands in the working directory
    if (candidate.is_absolute() && runs(candidate)) return candidate.string();
    at = end + 1;
  }
  return Error{Code::unsupported,
               "there is no kvmdbg-dap on this host, which serves the Debug Adapter Protocol: it "
               "is looked for beside kvmdbg and in PATH (--dap PATH names another). kvmdbg's build "
               "makes it where liblldb-22-dev is installed; it runs where liblldb-22 is. gdb, lldb "
               "and /rsp work without it"};
}

std::vector<std::string> worker_arguments(std::vector<std::string> roots,
                                          const std::string& image) {
  std::error_code error;
  if (roots.empty()) roots.push_back(fs::absolute(image, error).parent_path().string());
  std::vector<std::string> arguments;
  for (const std::string& root : roots) {
    arguments.insert(arguments.end(), {"--root", root});
  }
  if (is_elf(image)) {
    arguments.insert(arguments.end(), {"--program", fs::absolute(image, error).string()});
  }
  const std::string cache = index_cache_folder();
  if (!cache.empty()) arguments.insert(arguments.end(), {"--index-cache", cache});
  return arguments;
}

} // namespace kdbg::server
