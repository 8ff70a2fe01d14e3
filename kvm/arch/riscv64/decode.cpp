#include "kvm/arch/riscv64/decode.hpp"

#include <cstring>

namespace kdbg::kvm::riscv64 {
namespace {

using Word = std::uint32_t;

constexpr unsigned field(Word word, unsigned first, unsigned bits) {
  return word >> first & ((1u << bits) - 1);
}
constexpr std::uint8_t reg(Word word, unsigned first) {
  return static_cast<std::uint8_t>(field(word, first, 5));
}
/// One of x8 to x15, as the 3-bit fields of compressed instructions name it.
constexpr std::uint8_t near(Word word, unsigned first) {
  return static_cast<std::uint8_t>(8 + field(word, first, 3));
}
constexpr std::int64_t sign_extend(std::uint64_t value, unsigned bits) {
  const unsigned unused = 64 - bits;
  return static_cast<std::int64_t>(value << unused) >> unused;
}

/// Bits of the instruction gathered into a number: `count` of them from `from` on go to `to`.
struct Piece {
  unsigned from, count, to;
};
template <std::size_t size>
constexpr std::uint64_t gather(Word word, const Piece (&pieces)[size]) {
  std::uint64_t out = 0;
  for (const Piece& piece : pieces) {
    out |= std::uint64_t{field(word, piece.from, piece.count)} << piece.to;
  }
  return out;
}

constexpr Piece i_offset[] = {{20, 12, 0}}, s_offset[] = {{7, 5, 0}, {25, 7, 5}};
constexpr Piece b_offset[] = {{8, 4, 1}, {25, 6, 5}, {7, 1, 11}, {31, 1, 12}};
constexpr Piece j_offset[] = {{21, 10, 1}, {20, 1, 11}, {12, 8, 12}, {31, 1, 20}};
constexpr Piece cj_offset[] = {{3, 3, 1}, {11, 1, 4}, {2, 1, 5},  {7, 1, 6},
                               {6, 1, 7}, {9, 2, 8},  {8, 1, 10}, {12, 1, 11}};
constexpr Piece cb_offset[] = {{3, 2, 1}, {10, 2, 3}, {2, 1, 5}, {5, 2, 6}, {12, 1, 8}};
constexpr Piece near_word[] = {{6, 1, 2}, {10, 3, 3}, {5, 1, 6}};
constexpr Piece near_double[] = {{10, 3, 3}, {5, 2, 6}};
constexpr Piece stack_load_word[] = {{4, 3, 2}, {12, 1, 5}, {2, 2, 6}};
constexpr Piece stack_load_double[] = {{5, 2, 3}, {12, 1, 5}, {2, 3, 6}};
constexpr Piece stack_store_word[] = {{9, 4, 2}, {7, 2, 6}};
constexpr Piece stack_store_double[] = {{10, 3, 3}, {7, 3, 6}};

constexpr std::uint8_t x_ra = 1, x_sp = 2;

Instruction memory(std::uint8_t base, std::uint64_t offset, unsigned bytes, bool writes) {
  Instruction out;
  out.rs1 = base;
  out.offset = static_cast<std::int64_t>(offset);
  out.bytes = static_cast<std::uint8_t>(bytes);
  out.reads = !writes;
  out.writes = writes;
  return out;
}

/// lw, ld, fld and their stores: bit 13 of the encoding tells doubles, bit 15 stores.
Instruction near_access(Word word) {
  const unsigned kind = field(word, 13, 3);
  const bool is_word = (kind & 3) == 2;
  if (kind == 0) return {};
  if (kind == 4) { // Zcb: c.lbu, c.lhu and c.lh, c.sb, c.sh
    const unsigned which = field(word, 10, 3);
    const bool half = (which & 1) != 0;
    if (which > 3) return {};
    constexpr Piece byte_offset[] = {{6, 1, 0}, {5, 1, 1}}, half_offset[] = {{5, 1, 1}};
    return memory(near(word, 7), half ? gather(word, half_offset) : gather(word, byte_offset),
                  half ? 2 : 1, which > 1);
  }
  return memory(near(word, 7), is_word ? gather(word, near_word) : gather(word, near_double),
                is_word ? 4 : 8, kind > 4);
}

Instruction compressed_jump(Word word) {
  Instruction out;
  const unsigned kind = field(word, 13, 3);
  if (kind == 5) {
    out.kind = Kind::jal;
    out.offset = sign_extend(gather(word, cj_offset), 12);
  } else if (kind >= 6) {
    out.kind = Kind::branch;
    out.condition = kind == 6 ? 0 : 1; // beq, bne
    out.rs1 = near(word, 7);
    out.offset = sign_extend(gather(word, cb_offset), 9);
  }
  return out;
}

/// c.jr, c.jalr and c.ebreak among c.mv and c.add.
Instruction register_jump(Word word) {
  Instruction out;
  if (field(word, 2, 5) != 0) return out;
  const bool links = field(word, 12, 1) != 0;
  out.rs1 = reg(word, 7);
  if (out.rs1 != 0) {
    out.kind = Kind::jalr;
    out.rd = links ? x_ra : 0;
  } else if (links) {
    out.kind = Kind::ebreak;
  }
  return out;
}

Instruction stack_access(Word word) {
  switch (field(word, 13, 3)) {
  case 1:
  case 3:
    return memory(x_sp, gather(word, stack_load_double), 8, false);
  case 2:
    return memory(x_sp, gather(word, stack_load_word), 4, false);
  case 4:
    return register_jump(word);
  case 5:
  case 7:
    return memory(x_sp, gather(word, stack_store_double), 8, true);
  case 6:
    return memory(x_sp, gather(word, stack_store_word), 4, true);
  default:
    return {};
  }
}

Instruction compressed(Word word) {
  switch (field(word, 0, 2)) {
  case 0:
    return near_access(word);
  case 1:
    return compressed_jump(word);
  default:
    return stack_access(word);
  }
}

Instruction system(Word word) {
  Instruction out;
  switch (word) {
  case 0x00000073:
    out.kind = Kind::ecall;
    break;
  case 0x00100073:
    out.kind = Kind::ebreak;
    break;
  case 0x10200073:
    out.kind = Kind::sret;
    break;
  case 0x10500073:
    out.kind = Kind::wfi;
    break;
  default:
    break;
  }
  return out;
}

Instruction atomic(Word word) {
  constexpr unsigned load_reserved = 2, store_conditional = 3;
  const unsigned width = field(word, 12, 3), operation = field(word, 27, 5);
  if (width > 4) return {};
  Instruction out = memory(reg(word, 15), 0, 1u << width, operation != load_reserved);
  out.rd = reg(word, 7);
  if (operation == load_reserved) {
    out.kind = Kind::load_reserved;
  } else if (operation == store_conditional) {
    out.kind = Kind::store_conditional;
  } else {
    out.reads = true;
  }
  return out;
}

/// Vector loads and stores share these opcodes: their widths are none of a scalar.
bool scalar_float(unsigned width) {
  return width >= 1 && width <= 4;
}

Instruction control(Word word) {
  Instruction out;
  const unsigned width = field(word, 12, 3);
  switch (field(word, 2, 5)) {
  case 0x18:
    if (width == 2 || width == 3) break;
    out.kind = Kind::branch;
    out.condition = static_cast<std::uint8_t>(width);
    out.rs1 = reg(word, 15);
    out.rs2 = reg(word, 20);
    out.offset = sign_extend(gather(word, b_offset), 13);
    break;
  case 0x19:
    if (width != 0) break;
    out.kind = Kind::jalr;
    out.rd = reg(word, 7);
    out.rs1 = reg(word, 15);
    out.offset = sign_extend(gather(word, i_offset), 12);
    break;
  case 0x1b:
    out.kind = Kind::jal;
    out.rd = reg(word, 7);
    out.offset = sign_extend(gather(word, j_offset), 21);
    break;
  default:
    break;
  }
  return out;
}

Instruction full(Word word) {
  const unsigned width = field(word, 12, 3);
  const auto load_offset = static_cast<std::uint64_t>(sign_extend(gather(word, i_offset), 12));
  const auto store_offset = static_cast<std::uint64_t>(sign_extend(gather(word, s_offset), 12));
  switch (field(word, 2, 5)) {
  case 0x00: // LOAD
    return width == 7 ? Instruction{}
                      : memory(reg(word, 15), load_offset, 1u << (width & 3), false);
  case 0x01: // LOAD-FP
    if (!scalar_float(width)) return {};
    return memory(reg(word, 15), load_offset, 1u << width, false);
  case 0x08: // STORE
    return width > 3 ? Instruction{} : memory(reg(word, 15), store_offset, 1u << width, true);
  case 0x09: // STORE-FP
    if (!scalar_float(width)) return {};
    return memory(reg(word, 15), store_offset, 1u << width, true);
  case 0x0b: // AMO
    return atomic(word);
  case 0x1c:
    return system(word);
  default:
    return control(word);
  }
}

/// Unprivileged architecture, "Expanded Instruction-Length Encoding".
unsigned length_of(Word low) {
  if ((low & 3) != 3) return 2;
  if ((low & 0x1f) != 0x1f) return 4;
  return (low & 0x3f) == 0x1f ? 6 : 8;
}

} // namespace

Instruction decode(ByteView code) {
  Word word = 0;
  if (code.size() < 2) return {};
  std::memcpy(&word, code.data(), std::min<std::size_t>(code.size(), sizeof word));
  const unsigned length = length_of(word);
  if (length > code.size()) return {};
  Instruction out;
  if (length == 2) out = compressed(word & 0xffff);
  if (length == 4) out = full(word);
  out.length = static_cast<std::uint8_t>(length);
  return out;
}

Shape shape_of(ByteView code, std::uint64_t at) {
  const Instruction found = decode(code);
  const std::uint64_t target = at + static_cast<std::uint64_t>(found.offset);
  switch (found.kind) {
  case Kind::plain:
  case Kind::load_reserved:
    return {Flow::on, found.length, 0};
  case Kind::branch:
    return {Flow::branch, found.length, target};
  case Kind::jal:
    return {Flow::jump, found.length, target};
  case Kind::ebreak:
    return {Flow::breakpoint, found.length, 0};
  case Kind::store_conditional:
    return {Flow::conditional, found.length, 0};
  default:
    return {Flow::away, found.length, 0};
  }
}

bool taken(std::uint8_t condition, std::uint64_t left, std::uint64_t right) {
  const auto is_less = [&] {
    if ((condition & 2) != 0) return left < right; // bltu, bgeu
    return static_cast<std::int64_t>(left) < static_cast<std::int64_t>(right);
  };
  const bool base = (condition & 4) != 0 ? is_less() : left == right;
  return base != ((condition & 1) != 0);
}

} // namespace kdbg::kvm::riscv64
