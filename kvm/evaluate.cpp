#include "kvm/evaluate.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace kdbg::kvm {
namespace {

constexpr unsigned bits = 64;

std::uint64_t sign_extended(std::uint64_t value, std::uint64_t from) {
  if (from == 0 || from >= bits) return value;
  const std::uint64_t top = std::uint64_t{1} << (from - 1);
  value &= (top << 1) - 1;
  return (value ^ top) - top;
}

std::uint64_t zero_extended(std::uint64_t value, std::uint64_t from) {
  return from >= bits ? value : value & ((std::uint64_t{1} << from) - 1);
}

/// A shift by the width or more moves every bit out.
std::uint64_t shifted(Op op, std::uint64_t value, std::uint64_t by) {
  const bool negative = static_cast<std::int64_t>(value) < 0;
  if (by >= bits) return op == Op::rsh_signed && negative ? ~std::uint64_t{0} : 0;
  if (op == Op::lsh) return value << by;
  if (op == Op::rsh_unsigned || !negative) return value >> by;
  return ~(~value >> by);
}

/// The smallest number divided by -1 wraps to itself.
Result<std::uint64_t> divided(Op op, std::uint64_t a, std::uint64_t b) {
  if (b == 0) return Error{Code::bad_request, "division by zero"};
  const auto left = static_cast<std::int64_t>(a), right = static_cast<std::int64_t>(b);
  switch (op) {
  case Op::div_unsigned:
    return a / b;
  case Op::rem_unsigned:
    return a % b;
  case Op::div_signed:
    return right == -1 ? 0 - a : static_cast<std::uint64_t>(left / right);
  default:
    return right == -1 ? 0 : static_cast<std::uint64_t>(left % right);
  }
}

Result<std::uint64_t> combined(Op op, std::uint64_t a, std::uint64_t b) {
  switch (op) {
  case Op::add:
    return a + b;
  case Op::sub:
    return a - b;
  case Op::mul:
    return a * b;
  case Op::bit_and:
    return a & b;
  case Op::bit_or:
    return a | b;
  case Op::bit_xor:
    return a ^ b;
  case Op::equal:
    return std::uint64_t{a == b};
  case Op::less_signed:
    return std::uint64_t{static_cast<std::int64_t>(a) < static_cast<std::int64_t>(b)};
  case Op::less_unsigned:
    return std::uint64_t{a < b};
  case Op::lsh:
  case Op::rsh_signed:
  case Op::rsh_unsigned:
    return shifted(op, a, b);
  default:
    return divided(op, a, b);
  }
}

class Machine {
public:
  Machine(ByteView code, const Scene& scene) : reader_(code), scene_(scene) {}

  Result<Evaluated> run() {
    for (std::size_t n = 0; n < most_operations; ++n) {
      const std::size_t at = reader_.at();
      const auto operation = static_cast<std::uint8_t>(TRY(reader_.take(1)));
      const auto operands = operand_bytes(operation);
      if (!operands) {
        return Error{
            Code::unsupported,
            fmt::format("operation {:#04x} at byte {} is not evaluated here", operation, at)};
      }
      const Op op{operation};
      if (op == Op::end) {
        if (!stack_.empty()) out_.value = stack_.back();
        return std::move(out_);
      }
      const std::uint64_t operand = TRY(reader_.take(*operands));
      TRY(carry_out(op, operand));
    }
    return Error{Code::bad_request, fmt::format("no end after {} operations", most_operations)};
  }

private:
  Status carry_out(Op op, std::uint64_t operand) {
    switch (op) {
    case Op::const8:
    case Op::const16:
    case Op::const32:
    case Op::const64:
      return push(operand);
    case Op::reg:
      return push(TRY(scene_.reg(operand)));
    case Op::go_to:
      return reader_.jump(operand);
    case Op::if_goto:
      return TRY(pop()) != 0 ? reader_.jump(operand) : Status{Done{}};
    case Op::printf:
      return print(operand);
    case Op::dup:
    case Op::pick:
      return pick(op == Op::dup ? 0 : operand);
    case Op::pop:
      TRY(pop());
      return Done{};
    case Op::swap:
    case Op::rot:
      return rotate(op == Op::swap ? 2 : 3);
    default:
      return calculate(op, operand);
    }
  }

  Status calculate(Op op, std::uint64_t operand) {
    const std::uint64_t top = TRY(pop());
    switch (op) {
    case Op::log_not:
      return push(top == 0 ? 1 : 0);
    case Op::bit_not:
      return push(~top);
    case Op::ext:
      return push(sign_extended(top, operand));
    case Op::zero_ext:
      return push(zero_extended(top, operand));
    case Op::ref8:
    case Op::ref16:
    case Op::ref32:
    case Op::ref64:
      return load(top, std::size_t{1} << (static_cast<unsigned>(op) - unsigned{0x17}));
    default:
      break;
    }
    const std::uint64_t below = TRY(pop());
    return push(TRY(combined(op, below, top)));
  }

  Status load(std::uint64_t at, std::size_t length) {
    std::array<std::byte, 8> data{};
    TRY(scene_.read(at, std::span(data).first(length)));
    std::uint64_t value = 0;
    for (std::size_t i = length; i-- > 0;) {
      value = value << 8 | std::to_integer<std::uint64_t>(data[i]);
    }
    return push(value);
  }

  /// On the stack are, from the top: a function and a channel, which mean nothing here, then the
  /// values in their order.
  Status print(std::uint64_t count) {
    const std::string format = TRY(reader_.take_text());
    TRY(pop());
    TRY(pop());
    std::vector<std::uint64_t> values;
    for (std::uint64_t i = 0; i < count; ++i) {
      values.push_back(TRY(pop()));
    }
    out_.printed += TRY(format_values(format, values, scene_));
    out_.printed.resize(std::min(out_.printed.size(), most_printed));
    return Done{};
  }

  Status push(std::uint64_t value) {
    if (stack_.size() == deepest_stack) {
      return Error{Code::bad_request, fmt::format("more than {} values at once", deepest_stack)};
    }
    stack_.push_back(value);
    return Done{};
  }

  Status need(std::size_t values) const {
    if (stack_.size() >= values) return Done{};
    return Error{Code::bad_request, "an operation lacks values on the stack"};
  }

  Result<std::uint64_t> pop() {
    TRY(need(1));
    const std::uint64_t value = stack_.back();
    stack_.pop_back();
    return value;
  }

  Status pick(std::uint64_t below_top) {
    TRY(need(below_top + 1));
    return push(stack_[stack_.size() - 1 - below_top]);
  }

  /// The top goes below the `count` - 1 values under it.
  Status rotate(std::size_t count) {
    TRY(need(count));
    std::rotate(stack_.end() - static_cast<std::ptrdiff_t>(count), stack_.end() - 1, stack_.end());
    return Done{};
  }

  BytecodeReader reader_;
  const Scene& scene_;
  std::vector<std::uint64_t> stack_;
  Evaluated out_;
};

} // namespace

Result<Evaluated> evaluate(ByteView code, const Scene& scene) {
  return Machine(code, scene).run();
}

} // namespace kdbg::kvm
