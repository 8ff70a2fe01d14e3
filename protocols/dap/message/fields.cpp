#include "protocols/dap/message/fields.hpp"

namespace kdbg::dap {
namespace {

/// What stands there instead, short enough for a sentence.
std::string shown(const Json& found) {
  constexpr std::size_t most = 40;
  std::string text = found.dump(-1, ' ', true, Json::error_handler_t::replace);
  if (text.size() > most) text = text.substr(0, most) + "...";
  return text;
}

std::string_view named(std::string_view path) {
  return path.empty() ? "arguments" : path;
}

} // namespace

Error wrong_type(std::string_view path, std::string_view wanted, const Json& found) {
  return {Code::bad_request,
          fmt::format("{} must be {}, not {}", named(path), wanted, shown(found))};
}

Error out_of_range(std::string_view path, std::int64_t low, std::uint64_t high, const Json& found) {
  return {Code::bad_request,
          fmt::format("{} must be from {} to {}, not {}", named(path), low, high, shown(found))};
}

Error missing(std::string_view path) {
  return {Code::bad_request, fmt::format("{} is missing", path)};
}

} // namespace kdbg::dap
