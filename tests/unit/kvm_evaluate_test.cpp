// gdb's agent expressions: every operation, every way to fail, and printf.
#include "kvm/evaluate.hpp"

#include <catch2/catch.hpp>

using namespace kdbg;
using namespace kdbg::kvm;

namespace {

using Codes = std::initializer_list<unsigned>;

Bytes code(Codes bytes) {
  Bytes out;
  for (const unsigned byte : bytes) {
    out.push_back(static_cast<std::byte>(byte));
  }
  return out;
}

/// Register n holds 0x100 + n; memory is at 0x1000-0x10ff, each byte its offset; text at 0x1100.
const Scene scene{[](std::uint64_t number) -> Result<std::uint64_t> {
                    if (number < 10) return 0x100 + number;
                    return Error{Code::bad_request, "there is no such register"};
                  },
                  [](std::uint64_t at, std::span<std::byte> out) -> Status {
                    constexpr std::string_view text = "boot";
                    for (std::byte& byte : out) {
                      const std::uint64_t here = at++;
                      if (here < 0x1000 || here >= 0x1200)
                        return Error{Code::memory_fault, "a hole"};
                      const std::uint64_t offset = here - 0x1100;
                      byte = static_cast<std::byte>(here < 0x1100          ? here & 0xff
                                                    : offset < text.size() ? text[offset]
                                                                           : 0);
                    }
                    return Done{};
                  }};

std::uint64_t value(const Bytes& bytes) {
  auto result = evaluate(bytes, scene);
  INFO((result ? std::string() : result.error().what));
  REQUIRE(result);
  return result->value;
}

std::string failure(Codes bytes) {
  auto result = evaluate(code(bytes), scene);
  REQUIRE_FALSE(result);
  return result.error().what;
}

constexpr std::uint64_t minus(std::uint64_t n) {
  return ~n + 1;
}

/// The two values on the stack, then one operation.
std::uint64_t combine(std::uint64_t a, std::uint64_t b, unsigned op) {
  Bytes bytes;
  for (const std::uint64_t each : {a, b}) {
    bytes.push_back(std::byte{0x25}); // const64
    for (unsigned shift = 64; shift != 0; shift -= 8) {
      bytes.push_back(static_cast<std::byte>(each >> (shift - 8)));
    }
  }
  bytes.push_back(static_cast<std::byte>(op));
  bytes.push_back(std::byte{0x27});
  return value(bytes);
}

} // namespace

TEST_CASE("bytecode: two values combined") {
  static constexpr std::uint64_t lowest = std::uint64_t{1} << 63;
  const auto [a, b, op, expected] =
      GENERATE(table<std::uint64_t, std::uint64_t, unsigned, std::uint64_t>({
          {5, 3, 0x02, 8},
          {3, 5, 0x03, minus(2)},
          {minus(3), 5, 0x04, minus(15)},
          {minus(7), 2, 0x05, minus(3)},
          {minus(7), 2, 0x06, 0x7ffffffffffffffc},
          {minus(7), 2, 0x07, minus(1)},
          {minus(7), 4, 0x08, 1},
          {lowest, minus(1), 0x05, lowest}, // the quotient does not exist: it wraps
          {lowest, minus(1), 0x07, 0},
          {1, 63, 0x09, lowest},
          {1, 64, 0x09, 0},
          {minus(8), 1, 0x0a, minus(4)},
          {minus(8), 200, 0x0a, minus(1)},
          {8, 64, 0x0a, 0},
          {minus(8), 60, 0x0b, 15},
          {0xf0, 0x3c, 0x0f, 0x30},
          {0xf0, 0x3c, 0x10, 0xfc},
          {0xf0, 0x3c, 0x11, 0xcc},
          {4, 4, 0x13, 1},
          {4, 5, 0x13, 0},
          {minus(1), 1, 0x14, 1},
          {minus(1), 1, 0x15, 0},
          {1, 2, 0x15, 1},
      }));
  CAPTURE(a, b, op);
  CHECK(combine(a, b, op) == expected);
}

TEST_CASE("bytecode: constants, registers, memory, the stack and jumps") {
  CHECK(value(code({0x22, 0xff, 0x27})) == 0xff); // not sign-extended
  CHECK(value(code({0x23, 0x12, 0x34, 0x27})) == 0x1234);
  CHECK(value(code({0x24, 0xff, 0, 0, 1, 0x27})) == 0xff000001);
  CHECK(value(code({0x26, 0, 7, 0x27})) == 0x107);
  CHECK(value(code({0x22, 0x80, 0x16, 8, 0x27})) == minus(0x80)); // ext
  CHECK(value(code({0x23, 0x12, 0x34, 0x2a, 8, 0x27})) == 0x34);  // zero_ext
  CHECK(value(code({0x23, 0x10, 0x02, 0x17, 0x27})) == 2);        // ref8
  CHECK(value(code({0x23, 0x10, 0x02, 0x18, 0x27})) == 0x0302);
  CHECK(value(code({0x23, 0x10, 0x02, 0x19, 0x27})) == 0x05040302);
  CHECK(value(code({0x23, 0x10, 0x02, 0x1a, 0x27})) == 0x0908070605040302);
  CHECK(value(code({0x22, 3, 0x0e, 0x27})) == 0);                   // log_not
  CHECK(value(code({0x22, 0, 0x12, 0x27})) == minus(1));            // bit_not
  CHECK(value(code({0x22, 3, 0x28, 0x04, 0x27})) == 9);             // dup, mul
  CHECK(value(code({0x22, 3, 0x22, 4, 0x29, 0x27})) == 3);          // pop
  CHECK(value(code({0x22, 3, 0x22, 4, 0x2b, 0x03, 0x27})) == 1);    // swap, sub
  CHECK(value(code({0x22, 3, 0x22, 4, 0x32, 1, 0x27})) == 3);       // pick
  CHECK(value(code({0x22, 1, 0x22, 2, 0x22, 3, 0x33, 0x27})) == 2); // rot: 3 1 2
  CHECK(value(code({0x21, 0, 5, 0x22, 1, 0x22, 2, 0x27})) == 2);    // goto
  CHECK(value(code({0x22, 1, 0x20, 0, 8, 0x22, 9, 0x27, 0x22, 6, 0x27})) == 6);
  CHECK(value(code({0x22, 0, 0x20, 0, 8, 0x22, 9, 0x27, 0x22, 6, 0x27})) == 9);
  CHECK(value(code({0x27})) == 0);
}

TEST_CASE("bytecode: what fails says why") {
  CHECK(failure({0x22, 1, 0x22, 0, 0x05, 0x27}) == "division by zero");
  CHECK(failure({0x22, 1, 0x22, 0, 0x08, 0x27}) == "division by zero");
  CHECK(failure({0x22, 0, 0x1a, 0x27}) == "a hole");
  CHECK(failure({0x26, 0, 99, 0x27}) == "there is no such register");
  CHECK(failure({0x22, 1, 0x02, 0x27}) == "an operation lacks values on the stack");
  CHECK(failure({0x22, 1, 0x32, 1, 0x27}) == "an operation lacks values on the stack");
  CHECK(failure({0x21, 0, 0}) == "no end after 10000 operations");
  CHECK(failure({0x22, 1, 0x21, 0, 0}) == "more than 100 values at once");
  CHECK(failure({0x22, 1}) == "bytecode ends in the middle, at byte 2");
  CHECK(failure({0x23, 1}) == "bytecode ends in the middle, at byte 1");
  CHECK(failure({0x21, 1, 0}) == "bytecode: a jump to byte 256 of 3");
  CHECK(failure({0x01, 0x27}) == "operation 0x01 at byte 0 is not evaluated here");
}

TEST_CASE("bytecode is checked before it is taken") {
  CHECK(check_bytecode(code({0x22, 1, 0x27})));
  CHECK(check_bytecode(code({0x01, 0x2c, 0, 1, 0x27}))); // gdb's, and fails when it is reached
  CHECK(check_bytecode(code({0x34, 0, 0, 2, 'a', 0, 0x27})));
  for (const Bytes& bad : {Bytes{}, code({0x31}), code({0xff, 0x27}), code({0x23, 1}),
                           code({0x21, 0, 1, 0x27}), code({0x21, 0, 9, 0x27}),
                           code({0x34, 0, 0, 2, 'a', 'b', 0x27}), code({0x34, 0, 0, 9, 'a', 0}),
                           code({0x34, 0, 0, 0}), Bytes(longest_bytecode + 1, std::byte{0x27})}) {
    const auto checked = check_bytecode(bad);
    REQUIRE_FALSE(checked);
    CHECK(checked.error().code == Code::bad_request);
  }
}

TEST_CASE("printf: values in their order below a channel and a function") {
  // push 2, push 1, channel, function
  auto printed = evaluate(code({0x22, 2,   0x22, 1,   0x22, 0,   0x22, 0,   0x34, 2,   0,
                                8,    '%', 'd',  ' ', '%',  'x', '\\', 'n', 0,    0x27}),
                          scene);
  REQUIRE(printed);
  CHECK(printed->printed == "1 2\n");
  CHECK(printed->value == 0);
}

TEST_CASE("printf: what a format makes of values") {
  using Values = std::vector<std::uint64_t>;
  const auto [format, values, expected] = GENERATE(table<std::string, Values, std::string>({
      {"plain 100%%", {}, "plain 100%"},
      {R"(\ttab\\ \"q\" \x41\101\n)", {}, "\ttab\\ \"q\" AA\n"},
      {"%d %i %u", {minus(1), 0x1ffffffff, minus(1)}, "-1 -1 4294967295"},
      {"%ld %llu %zx", {minus(1), minus(1), 0xabc}, "-1 18446744073709551615 abc"},
      {"%hhd %hx", {0x180, 0x12345}, "-128 2345"},
      {"%#lx|%-6d|%06d|%+d|%.3d",
       {0xffffffff81000000, 5, 5, 5, 5},
       "0xffffffff81000000|5     |000005|+5|005"},
      {"%c%c", {'o', 'k'}, "ok"},
      {"%p", {0x1000}, "0x1000"},
      {"<%s> <%6s> <%.2s>", {0x1100, 0x1100, 0x1100}, "<boot> <  boot> <bo>"},
  }));
  CAPTURE(format);
  auto text = format_values(format, values, scene);
  REQUIRE(text);
  CHECK(*text == expected);
}

TEST_CASE("printf: what cannot be formatted says why, and no line is endless") {
  const auto why = [](std::string_view format, std::vector<std::uint64_t> values) {
    auto text = format_values(format, values, scene);
    REQUIRE_FALSE(text);
    return text.error().what;
  };
  CHECK(why("%d %d", {1}) == "format: more conversions than values");
  CHECK(why("%n", {0x1000}) == "format: %n is not known here");
  CHECK(why("%f", {1}) == "format: %f is not known here");
  CHECK(why("%s", {0}) == "a hole");
  CHECK(why("%5", {1}) == "format ends within a conversion");
  CHECK(why("\\", {}) == "format ends in a backslash");
  auto wide = format_values("%999999999d", std::vector<std::uint64_t>{1}, scene);
  REQUIRE(wide);
  CHECK(wide->size() == 200);
}
