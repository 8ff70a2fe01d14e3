#pragma once
/// Hex in and out, and a scanner over one packet's words. Knows no packet.
#include "adapter/result.hpp"
#include "adapter/types.hpp"

#include <optional>

namespace kdbg::gdb {

ByteView bytes_of(std::string_view text);
std::string_view text_of(ByteView bytes);

std::string to_hex(ByteView bytes);
std::string hex_of(std::string_view text);
void append_hex(std::string& text, ByteView bytes);
/// bad_request for an odd count of digits or anything that is not one.
Result<Bytes> from_hex(std::string_view digits);
std::optional<unsigned> hex_digit(char c);
/// The first 8 bytes, or as many as there are, as a little-endian number.
std::uint64_t low_bits(ByteView bytes);

/// Reads a packet's arguments from the left; a failed read consumes nothing.
class Scanner {
public:
  explicit Scanner(std::string_view text) : text_(text) {}
  bool done() const { return text_.empty(); }
  std::string_view rest() const { return text_; }
  /// Takes `c` if it is next.
  bool take(char c);
  /// The same of several.
  bool take_word(std::string_view word);
  /// bad_request when fewer are left.
  Result<std::string_view> exactly(std::size_t characters);
  /// bad_request when `c` is not next.
  Status expect(char c);
  /// bad_request when something is left.
  Status finish() const;
  /// 1 to 16 hex digits; `what` names the number in errors.
  Result<std::uint64_t> hex(std::string_view what);
  /// Everything before the next `separator` (which goes too), or all that is left.
  std::string_view until(char separator);

private:
  std::string_view text_;
};

} // namespace kdbg::gdb
