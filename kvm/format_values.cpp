// A printf whose format and values come from a client: only what is known to be harmless reaches
// the C library.
#include "kvm/evaluate.hpp"

#include <algorithm>
#include <cstdio>
#include <fmt/format.h>

namespace kdbg::kvm {
namespace {

constexpr unsigned widest = 200;          // columns of one value
constexpr std::size_t longest_text = 256; // bytes that %s reads

/// One conversion: %-08llx.
struct Conversion {
  std::string flags;
  unsigned width = 0;
  std::optional<unsigned> precision;
  unsigned bytes = 4; ///< of the value
  char letter = 0;
};

Error bad(std::string what) {
  return {Code::bad_request, std::move(what)};
}

class Formatter {
public:
  Formatter(std::string_view format, std::span<const std::uint64_t> values, const Scene& scene)
      : rest_(format), values_(values), scene_(scene) {}

  Result<std::string> run() {
    while (!rest_.empty() && out_.size() < most_printed) {
      const char c = take();
      if (c == '\\') {
        TRY(escape());
      } else if (c == '%') {
        TRY(convert());
      } else {
        out_ += c;
      }
    }
    return std::move(out_);
  }

private:
  char take() {
    const char c = rest_.front();
    rest_.remove_prefix(1);
    return c;
  }
  bool take_if(char c) {
    if (!rest_.starts_with(c)) return false;
    take();
    return true;
  }

  /// As in C's strings: \n, \033, \x1b.
  Status escape() {
    if (rest_.empty()) return bad("format ends in a backslash");
    constexpr std::string_view letters = "abefnrtv", meanings = "\a\b\033\f\n\r\t\v";
    if (const auto at = letters.find(rest_.front()); at != letters.npos) {
      take();
      out_ += meanings[at];
    } else if (take_if('x')) {
      out_ += digits(16, 2);
    } else if (rest_.front() >= '0' && rest_.front() <= '7') {
      out_ += digits(8, 3);
    } else {
      out_ += take();
    }
    return Done{};
  }

  char digits(unsigned base, unsigned most) {
    constexpr std::string_view known = "0123456789abcdef";
    unsigned value = 0;
    for (unsigned n = 0; n < most && !rest_.empty(); ++n) {
      const char lower = rest_.front() >= 'A' && rest_.front() <= 'F'
                             ? static_cast<char>(rest_.front() - 'A' + 'a')
                             : rest_.front();
      const auto digit = known.find(lower);
      if (digit >= base) break;
      take();
      value = value * base + static_cast<unsigned>(digit);
    }
    return static_cast<char>(value & 0xff);
  }

  unsigned number() {
    unsigned value = 0;
    while (!rest_.empty() && rest_.front() >= '0' && rest_.front() <= '9') {
      value = std::min(value * 10 + static_cast<unsigned>(take() - '0'), widest);
    }
    return value;
  }

  void take_length(Conversion& what) {
    constexpr std::pair<std::string_view, unsigned> lengths[] = {
        {"hh", 1}, {"h", 2}, {"ll", 8}, {"l", 8}, {"j", 8}, {"z", 8}, {"t", 8}, {"q", 8}};
    for (const auto& [word, bytes] : lengths) {
      if (!rest_.starts_with(word)) continue;
      rest_.remove_prefix(word.size());
      what.bytes = bytes;
      return;
    }
  }

  Status convert() {
    Conversion what;
    while (!rest_.empty() && std::string_view("-+ #0").find(rest_.front()) != rest_.npos) {
      what.flags += take();
    }
    what.width = number();
    if (take_if('.')) what.precision = number();
    take_length(what);
    if (rest_.empty()) return bad("format ends within a conversion");
    what.letter = take();
    if (what.letter == '%') {
      out_ += '%';
      return Done{};
    }
    constexpr std::string_view known = "diuxXocsp";
    if (known.find(what.letter) == known.npos) {
      return bad(fmt::format("format: %{} is not known here", what.letter));
    }
    if (values_.empty()) return bad("format: more conversions than values");
    const std::uint64_t value = values_.front();
    values_ = values_.subspan(1);
    if (what.letter == 's') return add_text(what, value);
    add_number(what, value);
    return Done{};
  }

  void add_number(const Conversion& what, std::uint64_t value) {
    if (what.letter == 'c') return add(what, "c", static_cast<int>(value & 0xff));
    if (what.letter == 'p') return add(what, "s", fmt::format("{:#x}", value).c_str());
    const unsigned unused = 64 - 8 * what.bytes;
    const std::uint64_t low = value << unused >> unused;
    if (what.letter == 'd' || what.letter == 'i') {
      return add(what, "lld", static_cast<long long>(value << unused) >> unused);
    }
    add(what, std::string("ll") + what.letter, static_cast<unsigned long long>(low));
  }

  Status add_text(const Conversion& what, std::uint64_t at) {
    std::string text;
    const std::size_t most =
        std::min<std::size_t>(what.precision.value_or(longest_text), longest_text);
    while (text.size() < most) {
      std::byte next{};
      TRY(scene_.read(at + text.size(), std::span(&next, 1)));
      if (next == std::byte{0}) break;
      text += static_cast<char>(next);
    }
    add(what, "s", text.c_str());
    return Done{};
  }

  template <class Value>
  void add(const Conversion& what, const std::string& letters, Value value) {
    std::string spec = "%" + what.flags;
    if (what.width != 0) spec += fmt::format("{}", what.width);
    if (what.precision) spec += fmt::format(".{}", *what.precision);
    spec += letters;
    std::array<char, 2 * longest_text> room{};
    // the format is put together here, of parts that were looked at
    const int length = std::snprintf(room.data(), room.size(), spec.c_str(), value);
    if (length > 0) out_.append(room.data(), std::min<std::size_t>(room.size() - 1, length));
  }

  std::string_view rest_;
  std::span<const std::uint64_t> values_;
  const Scene& scene_;
  std::string out_;
};

} // namespace

Result<std::string>
format_values(std::string_view format, std::span<const std::uint64_t> values, const Scene& scene) {
  return Formatter(format, values, scene).run();
}

} // namespace kdbg::kvm
