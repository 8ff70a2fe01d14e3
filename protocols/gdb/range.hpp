#pragma once
/// A run of addresses as packets name it.
#include "protocols/gdb/text.hpp"

namespace kdbg::gdb {

/// `length` bytes from `at` on.
struct Range {
  std::uint64_t at = 0, length = 0;
  /// Some of it is beyond the top of the address space.
  bool wraps() const { return length > 0 && length - 1 > ~at; }
  /// What is not.
  Range clipped() const { return wraps() ? Range{at, ~at + 1} : *this; }
};

/// ADDR,LENGTH; qSearch has a ';' between them.
Result<Range> parse_range(Scanner& scanner, char separator = ',');

} // namespace kdbg::gdb
