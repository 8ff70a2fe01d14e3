#pragma once
/// Lines of text cells as aligned columns, for people.
#include <algorithm>
#include <fmt/format.h>
#include <string>
#include <vector>

namespace kdbg {

/// Columns as wide as what stands in them, two spaces apart; the last is free. A line feed ends
/// each line; a line has at least one cell.
inline std::string render_columns(const std::vector<std::vector<std::string>>& lines) {
  std::vector<std::size_t> widths;
  for (const auto& line : lines) {
    widths.resize(std::max(widths.size(), line.size()));
    for (std::size_t i = 0; i + 1 < line.size(); ++i) {
      widths[i] = std::max(widths[i], line[i].size());
    }
  }
  std::string text;
  for (const auto& line : lines) {
    for (std::size_t i = 0; i + 1 < line.size(); ++i) {
      text += fmt::format("{:<{}}  ", line[i], widths[i]);
    }
    text += line.back() + "\n";
  }
  return text;
}

} // namespace kdbg
