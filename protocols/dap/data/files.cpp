#include "protocols/dap/data/files.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>

namespace kdbg::dap {
namespace {

namespace fs = std::filesystem;
constexpr std::uintmax_t largest = std::uintmax_t{8} << 20;

bool is_under(const fs::path& root, const fs::path& path) {
  std::error_code error;
  const fs::path real = fs::canonical(root, error);
  if (error) return false;
  return std::mismatch(real.begin(), real.end(), path.begin(), path.end()).first == real.end();
}

bool is_under_any(const std::vector<std::string>& roots, const fs::path& path) {
  return std::any_of(roots.begin(), roots.end(),
                     [&](const std::string& root) { return is_under(root, path); });
}

} // namespace

std::vector<std::string> source_roots(const StartArguments& arguments) {
  std::vector<std::string> roots;
  const Json& map = arguments.source_map;
  for (const Json& one : map) {
    // an object's values are the targets; of a list, each pair's second
    const Json& target = map.is_object() || one.size() != 2 ? one : one[1];
    if (target.is_string()) roots.push_back(target.get<std::string>());
  }
  return roots;
}

Status check_root(const std::vector<std::string>& roots, const std::string& path) {
  std::error_code error;
  const fs::path real = fs::weakly_canonical(path, error); // it may not be there
  if (roots.empty() || (!error && is_under_any(roots, real))) return Done{};
  return Error{Code::bad_request,
               fmt::format("{} is in none of the folders that --root names", path)};
}

Result<std::string> read_source(const std::vector<std::string>& roots, const std::string& path) {
  std::error_code error;
  const fs::path real = fs::canonical(path, error);
  if (error || !is_under_any(roots, real)) {
    return Error{Code::bad_request,
                 fmt::format("source.path {} is in none of the folders of sources", path)};
  }
  if (!fs::is_regular_file(real, error) || fs::file_size(real, error) > largest) {
    return Error{Code::bad_request,
                 fmt::format("source.path {} is no file of at most {} MiB", path, largest >> 20)};
  }
  std::ifstream file(real, std::ios::binary);
  std::string text(std::istreambuf_iterator<char>(file), {});
  if (file.bad()) return Error{Code::kernel, fmt::format("source.path {}: cannot be read", path)};
  return text;
}

} // namespace kdbg::dap
