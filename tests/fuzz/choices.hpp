#pragma once
/// A fuzzer's bytes as decisions. When they run out, every further one is 0.
#include "adapter/types.hpp"

#include <cstdio>
#include <cstdlib>

namespace kdbg::fuzz {

/// Ends the run at once, so that the fuzzer keeps the input.
inline void require(bool claim, const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
  if (claim) return;
  std::fprintf(stderr, "%s:%d: this does not hold\n", file, line);
  std::abort();
}

class Choices {
public:
  explicit Choices(ByteView bytes) : left_(bytes) {}
  bool done() const { return left_.empty(); }
  std::uint8_t byte() {
    if (left_.empty()) return 0;
    const auto first = std::to_integer<std::uint8_t>(left_.front());
    left_ = left_.subspan(1);
    return first;
  }
  /// 0 to count - 1; `count` is 1 to 256.
  std::uint8_t below(std::size_t count) { return static_cast<std::uint8_t>(byte() % count); }
  /// True once in `count`.
  bool once_in(std::size_t count) { return below(count) == count - 1; }

private:
  ByteView left_;
};

} // namespace kdbg::fuzz
