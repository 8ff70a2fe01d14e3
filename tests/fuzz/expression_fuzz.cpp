// The first byte says what the rest is: a condition, a log line, a hit condition, or bytecode as a
// client may send it. Whatever is compiled can be checked, whatever passes the check can be carried
// out: with an answer or an error, in a bounded time.
#include "adapter/bytecode.hpp"
#include "adapter/expression.hpp"
#include "kvm/evaluate.hpp"
#include "tests/fakes/fake_target.hpp"
#include "tests/fuzz/choices.hpp"

namespace {

using namespace kdbg;
using namespace kdbg::fuzz;

const kvm::Scene scene{
    [](std::uint64_t number) -> Result<std::uint64_t> { return number * 0x1001; },
    [](std::uint64_t at, std::span<std::byte> out) -> Status {
      if (at >= 0x8000) return Error{Code::memory_fault, "a hole"};
      for (std::byte& byte : out) {
        byte = static_cast<std::byte>(at++ * 7);
      }
      return Done{};
    }};

void carry_out(ByteView code) {
  const auto done = kvm::evaluate(code, scene);
  if (done) require((*done).printed.size() <= kvm::most_printed);
}

void compiled(const Result<Expression>& expression) {
  if (!expression) return require(expression.error().code == Code::bad_request);
  require(bool(check_bytecode((*expression).code)));
  carry_out((*expression).code);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Names names{fakes::toy_arch(), [](std::string_view name) -> std::optional<std::uint64_t> {
                      if (name == "jiffies") return 0x2000;
                      return {};
                    }};
  switch (data[0] % 4) {
  case 0:
    compiled(compile_condition(text, names));
    break;
  case 1:
    compiled(compile_log(text, names));
    break;
  case 2:
    if (const auto hits = parse_hits(text)) (*hits).holds(7);
    break;
  default:
    const auto code = std::as_bytes(std::span(text));
    if (check_bytecode(code)) carry_out(code);
    break;
  }
  return 0;
}
