#include "protocols/dap/message/framing.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <optional>

namespace kdbg::dap {
namespace {

constexpr std::size_t max_header = 4096;
constexpr std::string_view header_end = "\r\n\r\n";

bool same_word(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](char x, char y) { return lower(x) == lower(y); });
}

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

Error bad(std::string_view what) {
  return {Code::bad_request, fmt::format("not a DAP frame: {}", what)};
}

/// Content-Length of a header without its empty line; other fields are allowed and mean nothing.
Result<std::size_t> content_length(std::string_view header) {
  std::optional<std::size_t> length;
  while (!header.empty()) {
    const std::size_t end = std::min(header.find("\r\n"), header.size());
    const std::string_view line = header.substr(0, end);
    header.remove_prefix(std::min(end + 2, header.size()));
    const std::size_t colon = line.find(':');
    if (colon == line.npos) return bad("a header line has no colon");
    if (!same_word(line.substr(0, colon), "Content-Length")) continue;
    const std::string_view digits = trimmed(line.substr(colon + 1));
    std::size_t value = 0;
    const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error != std::errc{} || stop != digits.data() + digits.size()) {
      return bad("Content-Length is no number");
    }
    if (length) return bad("Content-Length stands twice");
    length = value;
  }
  if (!length) return bad("Content-Length is missing");
  return *length;
}

} // namespace

std::variant<std::string, Unframer::Incomplete, Error> Unframer::next() {
  const std::size_t end = buffer_.find(header_end);
  if (end == buffer_.npos) {
    if (buffer_.size() > max_header) return bad("the header does not end");
    return Incomplete{};
  }
  if (end > max_header) return bad("the header does not end");
  const auto length = content_length(std::string_view(buffer_).substr(0, end));
  if (!length) return length.error();
  if (*length > max_message) {
    return Error{Code::bad_request,
                 fmt::format("a message of {} bytes: the limit is {}", *length, max_message)};
  }
  const std::size_t begin = end + header_end.size();
  if (buffer_.size() - begin < *length) return Incomplete{};
  std::string message = buffer_.substr(begin, *length);
  buffer_.erase(0, begin + *length);
  return message;
}

std::string frame(std::string_view message) {
  return fmt::format("Content-Length: {}\r\n\r\n{}", message.size(), message);
}

} // namespace kdbg::dap
