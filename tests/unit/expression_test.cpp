// What people write as conditions and log lines, carried out by the engine's evaluator.
#include "adapter/bytecode.hpp"
#include "adapter/expression.hpp"
#include "kvm/evaluate.hpp"
#include "tests/fakes/fake_target.hpp"

#include <catch2/catch.hpp>

#include <random>

namespace kdbg {
namespace {

/// r0 is 5, r1 is -1, pc 0x1000; each byte of memory is the low byte of its address.
const kvm::Scene scene{
    [](std::uint64_t number) -> Result<std::uint64_t> {
      return number == 0 ? 5 : number == 1 ? ~std::uint64_t{0} : number == 5 ? 0x1000 : 0;
    },
    [](std::uint64_t at, std::span<std::byte> out) -> Status {
      if (at >= 0x10000) return Error{Code::memory_fault, "a hole"};
      for (std::byte& byte : out) {
        byte = static_cast<std::byte>(at++);
      }
      return Done{};
    }};

const Names names{fakes::toy_arch(), [](std::string_view name) -> std::optional<std::uint64_t> {
                    if (name == "jiffies") return 0x2004;
                    return {};
                  }};

std::uint64_t value(std::string_view text) {
  auto compiled = compile_condition(text, names);
  INFO(text << ": " << (compiled ? "" : compiled.error().what));
  REQUIRE(compiled);
  REQUIRE(check_bytecode(compiled->code));
  CHECK(compiled->text == text);
  auto result = kvm::evaluate((*compiled).code, scene);
  INFO((result ? "" : result.error().what));
  REQUIRE(result);
  return result->value;
}

constexpr std::uint64_t minus(std::uint64_t n) {
  return ~n + 1;
}

TEST_CASE("expressions: C's operators, their precedence and their signs") {
  const auto [text, expected] = GENERATE(table<std::string, std::uint64_t>({
      {"1 + 2 * 3", 7},
      {"(1 + 2) * 3", 9},
      {"10 - 4 - 3", 3},
      {"100 / 7 % 5", 4},
      {"0x10 | 1 ^ 3 & 2", 0x13},
      {"1 << 4 + 1", 32},
      {"-8 >> 1", minus(4)},
      {"r1 >> 60", 15},
      {"(s64)r1 >> 60", minus(1)},
      {"~0", minus(1)},
      {"!5", 0},
      {"!!5", 1},
      {"- - 5", 5},
      {"+5", 5},
      {"010", 8},
      {"0", 0},
      {"0xffffffffffffffff", minus(1)},
      {"r0 == 5", 1},
      {"r0 != 5", 0},
      {"r0 < 6", 1},
      {"r0 > 5", 0},
      {"r0 >= 5", 1},
      {"r0 <= 4", 0},
      {"r1 > 5", 1},       // registers are unsigned
      {"(s64)r1 > 5", 0},  // unless they are cast
      {"(s64)r1 < -0", 1}, //
      {"r1 == -1", 1},
      {"-1 < 1", 1},
      {"-7 / 2", minus(3)},
      {"-7 % 2", minus(1)},
      {"(u8)r1", 0xff},
      {"(s8)0x80", minus(0x80)},
      {"(u16)0x12345", 0x2345},
      {"(u32)r1 + 1", 0x100000000},
      {"1 && 2", 1},
      {"1 && 0", 0},
      {"0 || 7", 1},
      {"0 || 0", 0},
      {"1 || 0 && 0", 1},
      {"0 && *(u8*)0x10000", 0}, // the right side is not reached
      {"1 || u8[0x10000]", 1},
      {"1 == 1 == 1", 1},
      {"$r0 + $pc", 0x1005},
      {"r0 & 1 && r0 != 3", 1},
  }));
  CHECK(value(text) == expected);
}

TEST_CASE("expressions: memory and symbols") {
  const auto [text, expected] = GENERATE(table<std::string, std::uint64_t>({
      {"*(u32*)(pc + 8)", 0x0b0a0908},
      {"u32[pc + 8]", 0x0b0a0908},
      {"u64[0x2000]", 0x0706050403020100},
      {"s8[0xff]", minus(1)},
      {"*(s16*)0xfe < 0", 1},
      {"u8[jiffies]", 4},
      {"jiffies", 0x2004},
      {"*(u8*)jiffies + 1", 5},
      {"u8[u8[0x30]]", 0x30},
      {"*(u8 *) (0x10)", 0x10},
  }));
  CHECK(value(text) == expected);
}

TEST_CASE("expressions: an error names its column") {
  const auto [text, expected] = GENERATE(table<std::string, std::string>({
      {"", "column 1: it ends too early"},
      {"r0 ==", "column 6: it ends too early"},
      {"r0 = 5", "column 4: unexpected \"= 5\""},
      {"(r0 + 1", "column 8: \")\" is missing"},
      {"u32[r0)", "column 7: \"]\" is expected here"},
      {"rax == 3", "column 1: there is no register or symbol rax"},
      {"r0 + $jiffies", "column 6: there is no register jiffies"},
      {"v0 == 0", "column 1: v0 has 128 bits: 64 can be compared"},
      {"*r0", "column 1: of which type? *(u64*)... for instance"},
      {"12ab", "column 1: 12ab is no number"},
      {"0x", "column 1: 0x is no number"},
      {"1 + 0x1ffffffffffffffff", "column 5: 0x1ffffffffffffffff does not fit 64 bits"},
      {"r0 @ 2", "column 4: unexpected \"@ 2\""},
      {std::string(100, '('), "column 33: more than 64 levels deep"},
      {std::string(100, '!'), "column 64: more than 64 levels deep"},
  }));
  const auto compiled = compile_condition(text, names);
  REQUIRE_FALSE(compiled);
  CHECK(compiled.error().code == Code::bad_request);
  CHECK(compiled.error().what == expected);
}

TEST_CASE("log lines: pieces become values") {
  const auto [text, expected] = GENERATE(table<std::string, std::string>({
      {"plain 100% \\n", "plain 100% \\n"},
      {"pc {pc}, r0 {r0:d}, {r1:d} {r1:u} {r1}",
       "pc 0x1000, r0 5, -1 18446744073709551615 0xffffffffffffffff"},
      {"{{{r0:x}}}", "{0x5}"},
      {"{0x41:c}", "A"},
      {"{r0 || 0:d}{r0 && 0:d}", "10"}, // jumps stay right behind other code
      {"{'}", ""},
  }));
  const auto compiled = compile_log(text, names);
  if (expected.empty()) {
    REQUIRE_FALSE(compiled);
    return;
  }
  REQUIRE(compiled);
  auto printed = kvm::evaluate((*compiled).code, scene);
  REQUIRE(printed);
  CHECK(printed->printed == expected);
}

TEST_CASE("log lines: an error names its column in the whole line") {
  const auto [text, expected] = GENERATE(table<std::string, std::string>({
      {"at {", "column 4: no } ends this {"},
      {"at }", "column 4: a lone }: say }}"},
      {"at {rax}", "column 5: there is no register or symbol rax"},
      {"at {r0:q}", "column 8: no form \"q\": x, d, u, c and s are"},
      {"{}", "column 2: it ends too early"},
  }));
  const auto compiled = compile_log(text, names);
  REQUIRE_FALSE(compiled);
  CHECK(compiled.error().what == expected);
}

TEST_CASE("expressions: whatever is thrown at the compiler, code comes out that can be checked") {
  constexpr std::string_view pieces[] = {
      "r0", "$pc", "0x10", "7", "(", ")", "*", "(u32*)", "u8", "[", "]",  "&&", "||",   "==",
      "<=", ">>",  "-",    "!", "~", "%", "/", " ",      "{",  "}", ":d", "$",  "\x80", "jiffies"};
  std::mt19937 random(1);
  std::size_t compiled = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string text;
    for (auto n = random() % 12; n > 0; --n) {
      text += pieces[random() % std::size(pieces)];
    }
    for (const auto& result : {compile_condition(text, names), compile_log(text, names)}) {
      if (!result) continue;
      ++compiled;
      CAPTURE(text);
      REQUIRE(check_bytecode((*result).code));
      const auto done = kvm::evaluate((*result).code, scene);
      if (done) continue;
      const bool known = done.error().what == "a hole" || done.error().what == "division by zero";
      REQUIRE(known);
    }
  }
  CHECK(compiled > 1000);
}

} // namespace
} // namespace kdbg
