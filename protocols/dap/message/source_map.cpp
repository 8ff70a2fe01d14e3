#include "protocols/dap/message/source_map.hpp"

#include <filesystem>
#include <optional>

namespace kdbg::dap {
namespace {

std::string_view without_end(std::string_view folder) {
  while (folder.ends_with('/')) {
    folder.remove_suffix(1);
  }
  return folder;
}

/// `path` with the folder `to` instead of `from`; nothing when it is not in there.
std::optional<std::string>
moved(std::string_view path, std::string_view from, std::string_view to) {
  const std::string_view folder = without_end(from);
  if (from.empty() || path.substr(0, folder.size()) != folder) return std::nullopt;
  const std::string_view rest = path.substr(folder.size());
  if (rest.empty() || rest.front() != '/') return std::nullopt;
  return std::string(without_end(to)) + std::string(rest);
}

} // namespace

SourceMap::SourceMap(const Json& wish) {
  for (auto one = wish.begin(); one != wish.end(); ++one) {
    const bool pair = !wish.is_object() && one->is_array() && one->size() == 2;
    if (!wish.is_object() && !pair) continue;
    const Json from = pair ? (*one)[0] : Json(one.key());
    const Json to = pair ? (*one)[1] : one.value();
    if (from.is_string() && to.is_string()) {
      rows_.emplace_back(from.get<std::string>(), to.get<std::string>());
    }
  }
}

std::string SourceMap::here(const std::string& path) const {
  for (const auto& [from, to] : rows_) {
    std::error_code error;
    if (auto found = moved(path, from, to); found && std::filesystem::exists(*found, error)) {
      return *found;
    }
  }
  return path;
}

std::string SourceMap::compiled(const std::string& path) const {
  for (const auto& [from, to] : rows_) {
    if (auto found = moved(path, to, from)) return *found;
  }
  return path;
}

} // namespace kdbg::dap
