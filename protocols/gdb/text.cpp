#include "protocols/gdb/text.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace kdbg::gdb {
namespace {

/// A packet may be long and binary; an error text shows only its start.
std::string excerpt(std::string_view text) {
  std::string shown;
  for (char c : text.substr(0, 24)) {
    shown += c >= ' ' && c <= '~' ? c : '.';
  }
  return text.size() > 24 ? shown + "..." : shown;
}

} // namespace

ByteView bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

std::string_view text_of(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

void append_hex(std::string& text, ByteView bytes) {
  static constexpr std::string_view digits = "0123456789abcdef";
  std::size_t at = text.size();
  text.resize(at + bytes.size() * 2);
  for (std::byte b : bytes) {
    text[at++] = digits[std::to_integer<std::size_t>(b) >> 4];
    text[at++] = digits[std::to_integer<std::size_t>(b) & 15];
  }
}

std::string to_hex(ByteView bytes) {
  std::string text;
  append_hex(text, bytes);
  return text;
}

std::string hex_of(std::string_view text) {
  return to_hex(bytes_of(text));
}

std::uint64_t low_bits(ByteView bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = std::min<std::size_t>(bytes.size(), 8); i-- > 0;) {
    value = value << 8 | std::to_integer<std::uint64_t>(bytes[i]);
  }
  return value;
}

std::optional<unsigned> hex_digit(char c) {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a') + 10;
  if (c >= 'A' && c <= 'F') return static_cast<unsigned>(c - 'A') + 10;
  return {};
}

Result<Bytes> from_hex(std::string_view digits) {
  if (digits.size() % 2 != 0) {
    return Error{Code::bad_request, fmt::format("odd count of hex digits: {}", digits.size())};
  }
  Bytes bytes;
  bytes.reserve(digits.size() / 2);
  for (std::size_t i = 0; i < digits.size(); i += 2) {
    const auto high = hex_digit(digits[i]), low = hex_digit(digits[i + 1]);
    if (!high || !low) {
      return Error{Code::bad_request,
                   fmt::format("not hex digits: \"{}\"", excerpt(digits.substr(i, 2)))};
    }
    bytes.push_back(static_cast<std::byte>(*high << 4 | *low));
  }
  return bytes;
}

bool Scanner::take(char c) {
  if (text_.empty() || text_.front() != c) return false;
  text_.remove_prefix(1);
  return true;
}

bool Scanner::take_word(std::string_view word) {
  if (!text_.starts_with(word)) return false;
  text_.remove_prefix(word.size());
  return true;
}

Result<std::string_view> Scanner::exactly(std::size_t characters) {
  if (characters > text_.size()) {
    return Error{Code::bad_request,
                 fmt::format("{} characters expected, {} are there", characters, text_.size())};
  }
  const std::string_view word = text_.substr(0, characters);
  text_.remove_prefix(characters);
  return word;
}

Status Scanner::expect(char c) {
  if (take(c)) return Done{};
  return Error{Code::bad_request, fmt::format("expected '{}' before \"{}\"", c, excerpt(text_))};
}

Status Scanner::finish() const {
  if (done()) return Done{};
  return Error{Code::bad_request, fmt::format("unexpected \"{}\"", excerpt(text_))};
}

Result<std::uint64_t> Scanner::hex(std::string_view what) {
  std::uint64_t value = 0;
  std::size_t length = 0;
  for (; length < text_.size(); ++length) {
    const auto digit = hex_digit(text_[length]);
    if (!digit) break;
    if (length == 16) {
      return Error{Code::bad_request,
                   fmt::format("{} \"{}\" has more than 16 hex digits", what, excerpt(text_))};
    }
    value = value << 4 | *digit;
  }
  if (length == 0) {
    return Error{Code::bad_request, fmt::format("{} expected before \"{}\"", what, excerpt(text_))};
  }
  text_.remove_prefix(length);
  return value;
}

std::string_view Scanner::until(char separator) {
  const std::size_t end = text_.find(separator);
  const std::string_view word = text_.substr(0, end);
  text_.remove_prefix(end == std::string_view::npos ? text_.size() : end + 1);
  return word;
}

} // namespace kdbg::gdb
