#include "kvm/arch/arm64/loadstore.hpp"

namespace kdbg::kvm::arm64 {
namespace {

/// Fields of an instruction.
struct Word {
  std::uint32_t bits;
  constexpr std::uint32_t field(unsigned at, unsigned width) const {
    return bits >> at & ((1u << width) - 1);
  }
  constexpr bool bit(unsigned at) const { return field(at, 1) != 0; }
  constexpr std::int64_t signed_field(unsigned at, unsigned width) const {
    return static_cast<std::int32_t>(bits << (32 - at - width)) >> (32 - width);
  }
  constexpr unsigned size() const { return bits >> 30; }
  constexpr bool vector() const { return bit(26); }
};

using Operand = std::optional<MemoryOperand>;
struct Context {
  Word word;
  unsigned vector_bytes;
};

MemoryOperand at_base(const Word& w, std::uint64_t length, bool load) {
  MemoryOperand out;
  out.base = static_cast<std::uint8_t>(w.field(5, 5));
  out.length = length;
  out.reads = load;
  out.writes = !load;
  return out;
}
MemoryOperand both(MemoryOperand out) {
  out.reads = out.writes = true;
  return out;
}

/// log2 of the bytes of a single register's access by size, V and opc; nothing for a prefetch.
std::optional<unsigned> scale_of(const Word& w) {
  if (w.vector()) return w.bit(23) ? 4 : w.size();
  if (w.size() == 3 && w.bit(23)) return {};
  return w.size();
}
bool loads(const Word& w) {
  return w.vector() ? w.bit(22) : w.field(22, 2) != 0;
}

Operand unsigned_offset(const Context& c) {
  const auto scale = scale_of(c.word);
  if (!scale) return {};
  MemoryOperand out = at_base(c.word, 1u << *scale, loads(c.word));
  out.displacement = std::int64_t{c.word.field(10, 12)} << *scale;
  return out;
}

/// Unscaled, unprivileged, pre- and post-indexed.
Operand signed_offset(const Context& c) {
  const auto scale = scale_of(c.word);
  if (!scale) return {};
  MemoryOperand out = at_base(c.word, 1u << *scale, loads(c.word));
  constexpr unsigned post_index = 1;
  if (c.word.field(10, 2) != post_index) out.displacement = c.word.signed_field(12, 9);
  return out;
}

Operand register_offset(const Context& c) {
  const auto scale = scale_of(c.word);
  if (!scale) return {};
  MemoryOperand out = at_base(c.word, 1u << *scale, loads(c.word));
  out.index = static_cast<std::uint8_t>(c.word.field(16, 5));
  out.extend = static_cast<std::uint8_t>(c.word.field(13, 3));
  if (c.word.bit(12)) out.shift = static_cast<std::uint8_t>(*scale);
  return out;
}

Operand literal(const Context& c) {
  const unsigned opc = c.word.size();
  if (!c.word.vector() && opc == 3) return {}; // a prefetch
  const unsigned length = c.word.vector() ? 4u << opc : opc == 1 ? 8 : 4;
  MemoryOperand out = at_base(c.word, length, true);
  out.literal = true;
  out.displacement = c.word.signed_field(5, 19) * 4;
  return out;
}

Operand pair(const Context& c) {
  const Word& w = c.word;
  const unsigned opc = w.size();
  const bool tagged = !w.vector() && opc == 1 && !w.bit(22); // STGP: 16 bytes of data
  const unsigned each = w.vector() ? 4u << opc : tagged || opc >= 2 ? 8 : 4;
  MemoryOperand out = at_base(w, std::uint64_t{2} * each, w.bit(22));
  constexpr unsigned post_index = 1;
  const std::int64_t unit = tagged ? 16 : each;
  if (w.field(23, 2) != post_index) out.displacement = w.signed_field(15, 7) * unit;
  return out;
}

/// LDXR, STXR, LDXP, STXP, LDAR, STLR, CAS, CASP and their like.
Operand exclusive(const Context& c) {
  const Word& w = c.word;
  const bool ordered = w.bit(23), second = w.bit(21);
  if (!second) return at_base(w, 1u << w.size(), w.bit(22));
  if (ordered) return both(at_base(w, 1u << w.size(), true)); // CAS
  if (w.size() >= 2) return at_base(w, 2u << w.size(), w.bit(22));
  return both(at_base(w, w.size() == 0 ? 8 : 16, true)); // CASP
}

Operand atomic(const Context& c) {
  const Word& w = c.word;
  constexpr unsigned load_64_bytes = 5, load_acquire = 4;
  const unsigned operation = w.field(12, 3);
  if (w.bit(15) && operation == load_acquire) return at_base(w, 1u << w.size(), true);
  if (w.bit(15) && operation != 0 && w.size() == 3 && !w.bit(23) && !w.bit(22)) {
    return at_base(w, 64, operation == load_64_bytes); // LD64B, ST64B, ST64BV, ST64BV0
  }
  return both(at_base(w, 1u << w.size(), true));
}
Operand atomic_128(const Context& c) {
  return both(at_base(c.word, 16, true));
}

/// LDRAA and LDRAB.
Operand authenticated(const Context& c) {
  MemoryOperand out = at_base(c.word, 8, true);
  const std::int64_t sign = c.word.bit(22) ? -512 : 0;
  out.displacement = (sign + std::int64_t{c.word.field(12, 9)}) * 8;
  out.authenticated = true;
  return out;
}

/// LDAPUR and STLUR.
Operand ordered_unscaled(const Context& c) {
  const auto scale = c.word.vector() ? scale_of(c.word) : c.word.size();
  if (!scale) return {};
  MemoryOperand out = at_base(c.word, 1u << *scale, loads(c.word));
  out.displacement = c.word.signed_field(12, 9);
  return out;
}
/// LDIAPP and STILP.
Operand ordered_pair(const Context& c) {
  MemoryOperand out = at_base(c.word, 2u << c.word.size(), c.word.bit(22));
  if (c.word.field(12, 4) == 0 && out.writes) {
    out.displacement = -static_cast<std::int64_t>(out.length);
  }
  return out;
}

/// LD1 to LD4 and ST1 to ST4 of whole registers.
Operand structures(const Context& c) {
  constexpr std::uint8_t registers[16] = {4, 0, 4, 0, 3, 0, 3, 1, 2, 0, 2};
  const unsigned count = registers[c.word.field(12, 4)];
  if (count == 0) return {};
  return at_base(c.word, std::uint64_t{count} * (c.word.bit(30) ? 16 : 8), c.word.bit(22));
}
/// Of one lane, or of one element for all lanes.
Operand lane(const Context& c) {
  const Word& w = c.word;
  constexpr unsigned words_or_more = 2, replicated = 3;
  const unsigned kind = w.field(14, 2), size = w.field(10, 2);
  unsigned scale = kind;
  if (kind == words_or_more && (size & 1) != 0) scale = 3;
  if (kind == replicated) scale = size;
  const unsigned count = (w.field(13, 1) << 1 | w.field(21, 1)) + 1;
  return at_base(w, std::uint64_t{count} << scale, w.bit(22));
}
Operand ordered_lane(const Context& c) {
  return at_base(c.word, 8, c.word.bit(22));
}

/// STZG and STZ2G, which zero the data as well. The others touch only tags.
Operand zeroing_tags(const Context& c) {
  const Word& w = c.word;
  constexpr unsigned post_index = 1;
  if (!w.bit(22) || w.field(10, 2) == 0) return {};
  MemoryOperand out = at_base(w, w.bit(23) ? 32 : 16, false);
  if (w.field(10, 2) != post_index) out.displacement = w.signed_field(12, 9) * 16;
  out.alignment = 16;
  return out;
}

/// DC ZVA. DCZID_EL0 says how much it clears, which KVM does not tell; on every CPU known with
/// virtualisation it is 64 bytes.
Operand zero_block(const Context& c) {
  constexpr unsigned block = 64;
  MemoryOperand out;
  out.base = static_cast<std::uint8_t>(c.word.field(0, 5));
  if (out.base == 31) return {}; // address 0, not the stack pointer
  out.length = out.alignment = block;
  out.writes = true;
  return out;
}

/// LDR and STR of a vector or a predicate register.
Operand scalable(const Context& c) {
  const unsigned bytes = c.word.bit(14) ? c.vector_bytes : c.vector_bytes / 8;
  MemoryOperand out = at_base(c.word, bytes, !c.word.bit(30));
  const std::int64_t high = c.word.signed_field(16, 6) * 8;
  out.displacement = (high + std::int64_t{c.word.field(10, 3)}) * bytes;
  return out;
}

/// `in_memory`: log2 of the bytes of one element there. Either by a register, or by a number of
/// multiples of the whole length.
MemoryOperand scalable_at(
    const Context& c, std::uint64_t length, unsigned in_memory, bool load, bool by_register) {
  MemoryOperand out = at_base(c.word, length, load);
  if (by_register) {
    out.index = static_cast<std::uint8_t>(c.word.field(16, 5));
    out.shift = static_cast<std::uint8_t>(in_memory);
  } else {
    out.displacement = c.word.signed_field(16, 4) * static_cast<std::int64_t>(length);
  }
  return out;
}

/// log2 of an element's bytes in memory and in the register, by `dtype`.
struct ElementSize {
  std::uint8_t in_memory, in_register;
};
constexpr ElementSize by_type[16] = {{0, 0}, {0, 1}, {0, 2}, {0, 3}, {2, 3}, {1, 1},
                                     {1, 2}, {1, 3}, {1, 3}, {1, 2}, {2, 2}, {2, 3},
                                     {0, 3}, {0, 2}, {0, 1}, {3, 3}};

/// LD1, LDNF1 and LDFF1 of consecutive elements, of which the predicate may leave out any.
template <bool by_register>
Operand scalable_load(const Context& c) {
  const ElementSize size = by_type[c.word.field(21, 4)];
  const std::uint64_t length = std::uint64_t{c.vector_bytes} >> size.in_register << size.in_memory;
  return scalable_at(c, length, size.in_memory, true, by_register);
}
template <bool by_register>
Operand scalable_store(const Context& c) {
  const unsigned in_memory = c.word.field(23, 2), in_register = c.word.field(21, 2);
  if (in_memory > in_register) return {};
  const std::uint64_t length = std::uint64_t{c.vector_bytes} >> in_register << in_memory;
  return scalable_at(c, length, in_memory, false, by_register);
}
/// LD2 to LD4 and ST2 to ST4; of one register LDNT1 and STNT1.
template <bool load, bool by_register>
Operand scalable_structures(const Context& c) {
  const unsigned registers = c.word.field(21, 2) + 1;
  return scalable_at(c, std::uint64_t{registers} * c.vector_bytes, c.word.field(23, 2), load,
                     by_register);
}
/// LD1RQ and LD1RO: 16 or 32 bytes for all of the register.
template <bool by_register>
Operand replicated_block(const Context& c) {
  if (c.word.bit(22)) return {};
  return scalable_at(c, c.word.bit(21) ? 32 : 16, c.word.field(23, 2), true, by_register);
}
/// LD1R: one element for all.
Operand replicated_element(const Context& c) {
  const unsigned log = by_type[c.word.field(23, 2) << 2 | c.word.field(13, 2)].in_memory;
  MemoryOperand out = at_base(c.word, 1u << log, true);
  out.displacement = std::int64_t{c.word.field(16, 6)} << log;
  return out;
}

struct Row {
  std::uint32_t mask, match;
  Operand (*decode)(const Context&);
};
/// The first row that fits decides.
constexpr Row rows[] = {
    {0x3b000000, 0x39000000, unsigned_offset},
    {0x3b200000, 0x38000000, signed_offset},
    {0x3b200c00, 0x38200800, register_offset},
    {0x3f200c00, 0x38200000, atomic},
    {0xff200400, 0xf8200400, authenticated},
    {0x3a000000, 0x28000000, pair},
    {0x3b000000, 0x18000000, literal},
    {0x3f000000, 0x08000000, exclusive},
    {0x3f200c00, 0x19000000, ordered_unscaled},
    {0x3f200c00, 0x1d000800, ordered_unscaled},
    {0xbfa00c00, 0x99000800, ordered_pair},
    {0xff200c00, 0x19200000, atomic_128},
    {0xff200000, 0xd9200000, zeroing_tags},
    {0xbfbffc00, 0x0d018400, ordered_lane},
    {0xbfbf0000, 0x0c000000, structures},
    {0xbfa00000, 0x0c800000, structures},
    {0xbf9f0000, 0x0d000000, lane},
    {0xbf800000, 0x0d800000, lane},
    {0xffffffe0, 0xd50b7420, zero_block},
    {0xffc0e000, 0x85804000, scalable},
    {0xffc0e010, 0x85800000, scalable},
    {0xffc0e000, 0xe5804000, scalable},
    {0xffc0e010, 0xe5800000, scalable},
    {0xfe00e000, 0xa400a000, scalable_load<false>},
    {0xfe00e000, 0xa4004000, scalable_load<true>},
    {0xfe00e000, 0xa4006000, scalable_load<true>},
    {0xfe10e000, 0xa400e000, scalable_structures<true, false>},
    {0xfe00e000, 0xa400c000, scalable_structures<true, true>},
    {0xfe10e000, 0xa4002000, replicated_block<false>},
    {0xfe00e000, 0xa4000000, replicated_block<true>},
    {0xfe408000, 0x84408000, replicated_element},
    {0xfe10e000, 0xe400e000, scalable_store<false>},
    {0xfe00e000, 0xe4004000, scalable_store<true>},
    {0xfe10e000, 0xe410e000, scalable_structures<false, false>},
    {0xfe00e000, 0xe4006000, scalable_structures<false, true>},
};

/// An index register as an addressing mode takes it (ExtendReg).
std::uint64_t extended(std::uint64_t value, unsigned option) {
  constexpr unsigned word = 2, signed_word = 6;
  if (option == word) return static_cast<std::uint32_t>(value);
  if (option == signed_word) {
    return static_cast<std::uint64_t>(std::int64_t{static_cast<std::int32_t>(value)});
  }
  return value;
}

/// Bit 55 says which half of the address space; the code is above 48 bits.
std::uint64_t without_code(std::uint64_t pointer) {
  constexpr std::uint64_t half = std::uint64_t{1} << 55, low = (std::uint64_t{1} << 48) - 1;
  return (pointer & half) != 0 ? pointer | ~low : pointer & low;
}

} // namespace

std::optional<MemoryOperand> decode_memory(std::uint32_t word, unsigned vector_bytes) {
  for (const Row& row : rows) {
    if ((word & row.mask) == row.match) return row.decode({Word{word}, vector_bytes});
  }
  return {};
}

std::uint64_t address_of(const MemoryOperand& operand, std::uint64_t base, std::uint64_t index) {
  if (operand.authenticated) base = without_code(base);
  const std::uint64_t offset = operand.index ? extended(index, operand.extend) << operand.shift : 0;
  const std::uint64_t at = base + offset + static_cast<std::uint64_t>(operand.displacement);
  return at & ~(operand.alignment - 1);
}

} // namespace kdbg::kvm::arm64
