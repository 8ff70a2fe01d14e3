#pragma once
/// The one bytecode in which clients' expressions reach the engine: gdb's agent expressions (the
/// gdb manual, "Bytecode Descriptions"), as far as a condition or a log line needs them. Knows no
/// evaluator.
#include "adapter/result.hpp"
#include "adapter/types.hpp"

namespace kdbg {

/// A stack of 64-bit values. Operands follow the operation, the most significant byte first.
enum class Op : std::uint8_t {
  add = 0x02,
  sub = 0x03,
  mul = 0x04,
  div_signed = 0x05,
  div_unsigned = 0x06,
  rem_signed = 0x07,
  rem_unsigned = 0x08,
  lsh = 0x09,
  rsh_signed = 0x0a,
  rsh_unsigned = 0x0b,
  log_not = 0x0e,
  bit_and = 0x0f,
  bit_or = 0x10,
  bit_xor = 0x11,
  bit_not = 0x12,
  equal = 0x13,
  less_signed = 0x14,
  less_unsigned = 0x15,
  ext = 0x16,
  ref8 = 0x17,
  ref16 = 0x18,
  ref32 = 0x19,
  ref64 = 0x1a,
  if_goto = 0x20,
  go_to = 0x21,
  const8 = 0x22,
  const16 = 0x23,
  const32 = 0x24,
  const64 = 0x25,
  reg = 0x26,
  end = 0x27,
  dup = 0x28,
  pop = 0x29,
  zero_ext = 0x2a,
  swap = 0x2b,
  pick = 0x32,
  rot = 0x33,
  printf = 0x34,
};

inline constexpr std::size_t longest_bytecode = 4096; ///< bytes of one expression

/// The operations of a piece of bytecode, one after the other.
class BytecodeReader {
public:
  explicit BytecodeReader(ByteView code) : code_(code) {}
  std::size_t at() const { return at_; }
  bool done() const { return at_ >= code_.size(); }
  /// bad_request when `to` is behind the end.
  Status jump(std::size_t to);
  /// `bytes` of them, at most 8, as a number. bad_request when they are not all there.
  Result<std::uint64_t> take(std::size_t bytes);
  /// The text of a printf, without its final zero: two bytes of length stand before it.
  Result<std::string> take_text();

private:
  ByteView code_;
  std::size_t at_ = 0;
};

/// How many bytes of operands follow; of a printf, those before its text. Nothing for an operation
/// that is not evaluated here (floating point, tracing).
std::optional<std::size_t> operand_bytes(std::uint8_t operation);

/// Whether it can be read from one end to the other: operations that exist, operands that are
/// whole, jumps within. An operation of gdb's that is not evaluated here passes: it fails when it
/// is reached, and gdb then decides.
Status check_bytecode(ByteView code);

} // namespace kdbg
