#include "adapter/expression.hpp"

#include "adapter/bytecode.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>

namespace kdbg {
namespace {

constexpr unsigned deepest = 64; // expressions in one another

/// A literal is neither signed nor unsigned: it takes the other side's.
enum class Sign : std::uint8_t { neutral, signed_, unsigned_ };

struct Type {
  unsigned bits = 64;
  Sign sign = Sign::unsigned_;
};
constexpr std::pair<std::string_view, Type> types[] = {
    {"u8", {8, Sign::unsigned_}},   {"u16", {16, Sign::unsigned_}}, {"u32", {32, Sign::unsigned_}},
    {"u64", {64, Sign::unsigned_}}, {"s8", {8, Sign::signed_}},     {"s16", {16, Sign::signed_}},
    {"s32", {32, Sign::signed_}},   {"s64", {64, Sign::signed_}},
};

std::optional<Type> type_named(std::string_view word) {
  for (const auto& [name, type] : types) {
    if (name == word) return type;
  }
  return {};
}

/// What code pushes: a number, or an address of something of type `to`.
struct Value {
  Sign sign = Sign::unsigned_;
  std::optional<Type> to{};
};

/// A binary operator. Two of C's have no operation of their own: their sides change places, or the
/// outcome is turned round.
struct Operator {
  std::string_view word;
  unsigned level = 0; ///< binds the tighter, the higher
  Op plain{}, if_signed{};
  bool swapped = false, negated = false;
};
/// Longer ones before those that they begin with.
constexpr Operator operators[] = {
    {"||", 1},
    {"&&", 2},
    {"==", 6, Op::equal, Op::equal},
    {"!=", 6, Op::equal, Op::equal, false, true},
    {"<<", 8, Op::lsh, Op::lsh},
    {">>", 8, Op::rsh_unsigned, Op::rsh_signed},
    {"<=", 7, Op::less_unsigned, Op::less_signed, true, true},
    {">=", 7, Op::less_unsigned, Op::less_signed, false, true},
    {"<", 7, Op::less_unsigned, Op::less_signed},
    {">", 7, Op::less_unsigned, Op::less_signed, true},
    {"|", 3, Op::bit_or, Op::bit_or},
    {"^", 4, Op::bit_xor, Op::bit_xor},
    {"&", 5, Op::bit_and, Op::bit_and},
    {"+", 9, Op::add, Op::add},
    {"-", 9, Op::sub, Op::sub},
    {"*", 10, Op::mul, Op::mul},
    {"/", 10, Op::div_unsigned, Op::div_signed},
    {"%", 10, Op::rem_unsigned, Op::rem_signed},
};

Sign common(Sign a, Sign b) {
  if (a == Sign::neutral) return b;
  return a == Sign::unsigned_ || b == Sign::neutral ? a : b;
}

bool starts_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

class Compiler {
public:
  /// `column`: of the first character, for errors. `base`: bytes of code that will stand before.
  Compiler(std::string_view text, const Names& names, std::size_t column, std::size_t base = 0)
      : text_(text), names_(names), column_(column), base_(base) {}

  Result<Bytes> run() {
    TRY(binary(0));
    skip_spaces();
    if (at_ != text_.size()) {
      return fail(fmt::format("unexpected \"{}\"", text_.substr(at_, 16)));
    }
    return std::move(code_);
  }

private:
  Error fail(std::string what) const { return fail(std::move(what), at_); }
  Error fail(std::string what, std::size_t at) const {
    return {Code::bad_request, fmt::format("column {}: {}", column_ + at, what)};
  }

  // the text

  void skip_spaces() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t')) {
      ++at_;
    }
  }
  std::string_view rest() {
    skip_spaces();
    return text_.substr(at_);
  }
  bool take(std::string_view word) {
    if (!rest().starts_with(word)) return false;
    at_ += word.size();
    return true;
  }
  Status expect(std::string_view word) {
    if (take(word)) return Done{};
    return fail(at_ == text_.size() ? fmt::format("\"{}\" is missing", word)
                                    : fmt::format("\"{}\" is expected here", word));
  }
  /// The word that is next, without taking it; `$` belongs to it.
  std::string_view word() {
    const std::string_view from = rest();
    std::size_t length = from.starts_with('$') ? 1 : 0;
    if (length < from.size() && !starts_word(from[length])) return {};
    while (length < from.size() && (starts_word(from[length]) || is_digit(from[length]) ||
                                    (length != 0 && from[length] == '.'))) {
      ++length;
    }
    return from.substr(0, length);
  }

  // the code

  void emit(Op op) { code_.push_back(static_cast<std::byte>(op)); }
  void emit_number(std::uint64_t value, unsigned bytes) {
    for (unsigned shift = 8 * bytes; shift != 0; shift -= 8) {
      code_.push_back(static_cast<std::byte>(value >> (shift - 8)));
    }
  }
  void push(std::uint64_t value) {
    const unsigned size = value < 0x100 ? 0 : value < 0x10000 ? 1 : value < 1ULL << 32 ? 2 : 3;
    emit(static_cast<Op>(static_cast<unsigned>(Op::const8) + size));
    emit_number(value, 1U << size);
  }
  /// A jump whose target is filled in by `land`.
  std::size_t jump(Op op) {
    emit(op);
    emit_number(0, 2);
    return code_.size() - 2;
  }
  void land(std::size_t jump) {
    const std::size_t target = base_ + code_.size();
    code_[jump] = static_cast<std::byte>(target >> 8);
    code_[jump + 1] = static_cast<std::byte>(target);
  }
  void convert(const Type& type) {
    if (type.bits == 64) return;
    emit(type.sign == Sign::signed_ ? Op::ext : Op::zero_ext);
    emit_number(type.bits, 1);
  }
  void load(const Type& type) {
    emit(type.bits == 8    ? Op::ref8
         : type.bits == 16 ? Op::ref16
         : type.bits == 32 ? Op::ref32
                           : Op::ref64);
    if (type.sign == Sign::signed_) convert(type);
  }

  // the grammar

  /// Operators of `least` and tighter ones.
  Result<Value> binary(unsigned least) {
    if (++depth_ > deepest) return fail(fmt::format("more than {} levels deep", deepest));
    Value left = TRY(unary());
    for (;;) {
      const Operator* op = next_operator(least);
      if (op == nullptr) break;
      if (code_.size() > longest_bytecode) return fail("too long");
      at_ += op->word.size();
      if (op->level <= 2) {
        left = TRY(logical(op->level == 1));
      } else {
        const Value right = TRY(binary(op->level + 1));
        const Sign sign = common(left.sign, right.sign);
        if (op->swapped) emit(Op::swap);
        emit(sign == Sign::signed_ ? op->if_signed : op->plain);
        if (op->negated) emit(Op::log_not);
        const bool truth = op->level == 6 || op->level == 7;
        left = {truth ? Sign::neutral : sign};
      }
    }
    --depth_;
    return left;
  }

  const Operator* next_operator(unsigned least) {
    const std::string_view next = rest();
    const auto found = std::find_if(std::begin(operators), std::end(operators),
                                    [&](const auto& op) { return next.starts_with(op.word); });
    return found == std::end(operators) || found->level < least ? nullptr : found;
  }

  /// The left side's value is on the stack; the right side is reached only if it matters.
  Result<Value> logical(bool either) {
    if (!either) emit(Op::log_not);
    const std::size_t decided = jump(Op::if_goto);
    TRY(binary(either ? 2 : 3));
    emit(Op::log_not);
    emit(Op::log_not);
    const std::size_t end = jump(Op::go_to);
    land(decided);
    push(either ? 1 : 0);
    land(end);
    return Value{Sign::neutral};
  }

  Result<Value> unary() {
    if (++depth_ > deepest) return fail(fmt::format("more than {} levels deep", deepest));
    const Value value = TRY(unary_of());
    --depth_;
    return value;
  }

  Result<Value> unary_of() {
    if (take("!")) {
      TRY(unary());
      emit(Op::log_not);
      return Value{Sign::neutral};
    }
    if (take("~")) {
      const Value value = TRY(unary());
      emit(Op::bit_not);
      return Value{value.sign};
    }
    if (take("+")) return Value{TRY(unary()).sign};
    if (take("-")) {
      push(0);
      const Value value = TRY(unary());
      emit(Op::sub);
      return Value{value.sign == Sign::neutral ? Sign::signed_ : value.sign};
    }
    const std::size_t star = (skip_spaces(), at_);
    if (take("*")) {
      const Value value = TRY(unary());
      if (!value.to) return fail("of which type? *(u64*)... for instance", star);
      load(*value.to);
      return Value{value.to->sign};
    }
    return primary();
  }

  Result<Value> primary() {
    if (take("(")) {
      if (const auto type = type_named(word())) return cast(*type);
      const Value value = TRY(binary(0));
      TRY(expect(")"));
      return value;
    }
    if (!rest().empty() && is_digit(rest().front())) return literal();
    const std::string_view name = word();
    if (name.empty()) {
      return fail(rest().empty() ? std::string("it ends too early")
                                 : fmt::format("unexpected \"{}\"", rest().substr(0, 16)));
    }
    const std::size_t begin = at_;
    at_ += name.size();
    if (const auto type = type_named(name)) {
      TRY(expect("["));
      TRY(binary(0));
      TRY(expect("]"));
      load(*type);
      return Value{type->sign};
    }
    return named(name, begin);
  }

  /// Behind `(`, at a type.
  Result<Value> cast(const Type& type) {
    at_ += word().size();
    const bool pointer = take("*");
    TRY(expect(")"));
    TRY(unary());
    if (pointer) return Value{Sign::unsigned_, type};
    convert(type);
    return Value{type.sign};
  }

  Result<Value> literal() {
    const std::size_t begin = at_;
    std::size_t end = at_;
    while (end < text_.size() && (is_digit(text_[end]) || starts_word(text_[end]))) {
      ++end;
    }
    std::string_view digits = text_.substr(begin, end - begin);
    at_ = end;
    const bool hex = digits.starts_with("0x") || digits.starts_with("0X");
    const bool octal = !hex && digits.size() > 1 && digits.front() == '0';
    const std::string_view whole = digits;
    if (hex) digits.remove_prefix(2);
    std::uint64_t value = 0;
    const char* const last = digits.data() + digits.size();
    const auto [stop, error] = std::from_chars(digits.data(), last, value,
                                               hex     ? 16
                                               : octal ? 8
                                                       : 10);
    if (error == std::errc::result_out_of_range) {
      return fail(fmt::format("{} does not fit 64 bits", whole), begin);
    }
    if (error != std::errc{} || stop != last) {
      return fail(fmt::format("{} is no number", whole), begin);
    }
    push(value);
    return Value{Sign::neutral};
  }

  Result<Value> named(std::string_view name, std::size_t begin) {
    const bool only_register = name.starts_with('$');
    const std::string_view bare = only_register ? name.substr(1) : name;
    if (const auto reg = find_register(bare)) {
      const RegisterInfo& info = names_.arch.registers[index(*reg)];
      if (info.bits > 64) {
        return fail(fmt::format("{} has {} bits: 64 can be compared", info.name, info.bits), begin);
      }
      emit(Op::reg);
      emit_number(index(*reg), 2);
      return Value{};
    }
    if (!only_register && names_.symbol) {
      if (const auto address = names_.symbol(name)) {
        push(*address);
        return Value{};
      }
    }
    return fail(
        fmt::format("there is no {} {}", only_register ? "register" : "register or symbol", bare),
        begin);
  }

  /// By its name, or as pc, sp, fp.
  std::optional<RegisterId> find_register(std::string_view name) const {
    const auto table = names_.arch.registers;
    for (std::size_t i = 0; i < table.size(); ++i) {
      if (table[i].name == name) return static_cast<RegisterId>(i);
    }
    for (std::size_t i = 0; i < table.size() && !name.empty(); ++i) {
      if (table[i].role == name) return static_cast<RegisterId>(i);
    }
    return {};
  }

  std::string_view text_;
  const Names& names_;
  std::size_t column_, base_;
  std::size_t at_ = 0;
  unsigned depth_ = 0;
  Bytes code_;
};

} // namespace

Result<Bytes>
compile_value(std::string_view text, const Names& names, std::size_t column, std::size_t base) {
  return Compiler(text, names, column, base).run();
}

Result<Expression> compile_condition(std::string_view text, const Names& names) {
  Bytes code = TRY(compile_value(text, names, 1, 0));
  code.push_back(static_cast<std::byte>(Op::end));
  TRY(check_bytecode(code));
  return Expression{std::move(code), std::string(text)};
}

} // namespace kdbg
