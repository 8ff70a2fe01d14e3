#include "protocols/gdb/scan.hpp"

#include "adapter/commands.hpp"
#include "protocols/gdb/conversation.hpp"
#include "protocols/gdb/range.hpp"

#include <array>
#include <cstring>
#include <fmt/format.h>

namespace kdbg::gdb {
namespace {

/// What one request may look through: page tables can show the same memory over and over, up to
/// 2^64 bytes of it, and nobody else is served meanwhile. A fraction of a second's work.
constexpr std::uint64_t most_bytes = std::uint64_t{256} << 20;
constexpr std::uint64_t slice_bytes = std::uint64_t{1} << 20;

/// A range read from its low end, slice by slice.
class Slices {
public:
  /// What lies beyond the address space is left out.
  Slices(Conversation& conversation, const Range& range)
      : conversation_(conversation), at_(range.at), left_(range.clipped().length) {}
  bool done() const { return left_ == 0; }
  /// Never empty; memory_fault where there is no memory.
  Result<Bytes> next() {
    if (read_ >= most_bytes) {
      return Error{Code::bad_request,
                   fmt::format("{} MiB were looked through and {:#x} bytes from {:#x} on are left: "
                               "ask for these by themselves",
                               most_bytes >> 20, left_, at_)};
    }
    const auto size = static_cast<std::size_t>(std::min(left_, slice_bytes));
    Bytes data = TRY(conversation_.session.execute(
        ReadMemory{conversation_.general, conversation_.address(at_), size}));
    at_ += data.size();
    left_ -= data.size();
    read_ += data.size();
    return data;
  }

private:
  Conversation& conversation_;
  std::uint64_t at_, left_;
  std::uint64_t read_ = 0;
};

/// ADDR;LENGTH;PATTERN -> 1,ADDR or 0. A hole ends the range, unless it begins with one.
Answer search(Conversation& c, std::string_view arguments) {
  Scanner scanner(arguments);
  const Range range = TRY(parse_range(scanner, ';'));
  TRY(scanner.expect(';'));
  const std::string_view pattern = scanner.rest();
  if (pattern.empty()) return Error{Code::bad_request, "no pattern to search for"};
  if (pattern.size() > range.length) return say("0");
  Slices slices(c, range);
  std::uint64_t window_at = range.at;
  std::string window; // ends with the last slice, begins with what a match may begin with
  while (!slices.done()) {
    const auto slice = slices.next();
    if (!slice) {
      const bool hole = slice.error().code == Code::memory_fault;
      if (hole && !window.empty()) break;
      return slice.error();
    }
    window += text_of(*slice);
    // linear for every pattern, which std::string::find is not
    if (const void* found =
            ::memmem(window.data(), window.size(), pattern.data(), pattern.size())) {
      const auto offset = static_cast<const char*>(found) - window.data();
      return say(fmt::format("1,{:x}", window_at + static_cast<std::uint64_t>(offset)));
    }
    const std::size_t passed = window.size() - std::min(window.size(), pattern.size() - 1);
    // an empty window would look like the start of the range
    const std::size_t dropped = std::min(passed, window.size() - 1);
    window.erase(0, dropped);
    window_at += dropped;
  }
  return say("0");
}

/// CRC-32 with polynomial 0x04c11db7, most significant bit first, not complemented at the end.
class Crc {
public:
  void add(ByteView data) {
    for (std::byte byte : data) {
      value_ = value_ << 8 ^ table[value_ >> 24 ^ std::to_integer<std::uint32_t>(byte)];
    }
  }
  std::uint32_t value() const { return value_; }

private:
  static constexpr auto table = [] {
    std::array<std::uint32_t, 256> made{};
    for (std::uint32_t i = 0; i < made.size(); ++i) {
      std::uint32_t remainder = i << 24;
      for (int bit = 0; bit < 8; ++bit) {
        remainder = remainder << 1 ^ (remainder >> 31 != 0 ? 0x04c11db7U : 0U);
      }
      made[i] = remainder;
    }
    return made;
  }();
  std::uint32_t value_ = 0xffffffff;
};

/// ADDR,LENGTH -> C<crc>. All of it must be memory.
Answer crc(Conversation& c, std::string_view arguments) {
  Scanner scanner(arguments);
  const Range range = TRY(parse_range(scanner));
  TRY(scanner.finish());
  if (range.wraps()) {
    return Error{Code::memory_fault, fmt::format("{:#x} bytes at {:#x} go beyond the address space",
                                                 range.length, range.at)};
  }
  Crc sum;
  for (Slices slices(c, range); !slices.done();) {
    const Bytes slice = TRY(slices.next());
    sum.add(slice);
  }
  return say(fmt::format("C{:x}", sum.value()));
}

constexpr Row rows[] = {
    {"qSearch:memory:", Row::Match::prefix, &search},
    {"qCRC:", Row::Match::prefix, &crc},
};

} // namespace

Table scan_packets() {
  return rows;
}

} // namespace kdbg::gdb
