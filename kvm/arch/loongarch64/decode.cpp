#include "kvm/arch/loongarch64/decode.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

namespace kdbg::kvm::loongarch64 {
namespace {

using Word = std::uint32_t;

constexpr unsigned field(Word word, unsigned first, unsigned bits) {
  return word >> first & ((1u << bits) - 1);
}
constexpr std::int64_t sign_extend(std::uint64_t value, unsigned bits) {
  const unsigned unused = 64 - bits;
  return static_cast<std::int64_t>(value << unused) >> unused;
}

enum class Form : std::uint8_t {
  base,    ///< rj alone
  si12,    ///< a byte offset
  si14,    ///< of 4 bytes each
  scaled,  ///< of the element's size each, 12 bits less that size's
  element, ///< 8 bits, of the element's size each; its number stands above
  indexed, ///< rj + rk
};
enum class Use : std::uint8_t { load, store, both };

/// Words from `first` to before `end` are such accesses.
struct Range {
  Word first, end;
  Form form;
  Use use;
  std::uint8_t bytes; ///< of the first instruction of the range
  std::uint8_t sizes; ///< how often it doubles from one instruction to the next, then again
  Kind kind = Kind::plain;
};

// Instructions with an operation of 10 bits are 0x400000 apart, of 17 bits 0x8000.
constexpr Range ranges[] = {
    {0x20000000, 0x21000000, Form::si14, Use::load, 4, 0, Kind::load_linked},        // ll.w
    {0x21000000, 0x22000000, Form::si14, Use::store, 4, 0, Kind::store_conditional}, // sc.w
    {0x22000000, 0x23000000, Form::si14, Use::load, 8, 0, Kind::load_linked},        // ll.d
    {0x23000000, 0x24000000, Form::si14, Use::store, 8, 0, Kind::store_conditional}, // sc.d
    {0x24000000, 0x25000000, Form::si14, Use::load, 4, 0},                           // ldptr.w
    {0x25000000, 0x26000000, Form::si14, Use::store, 4, 0},                          // stptr.w
    {0x26000000, 0x27000000, Form::si14, Use::load, 8, 0},                           // ldptr.d
    {0x27000000, 0x28000000, Form::si14, Use::store, 8, 0},                          // stptr.d
    {0x28000000, 0x29000000, Form::si12, Use::load, 1, 4},     // ld.b, h, w, d
    {0x29000000, 0x2a000000, Form::si12, Use::store, 1, 4},    // st.b, h, w, d
    {0x2a000000, 0x2ac00000, Form::si12, Use::load, 1, 4},     // ld.bu, hu, wu
    {0x2b000000, 0x2b400000, Form::si12, Use::load, 4, 0},     // fld.s
    {0x2b400000, 0x2b800000, Form::si12, Use::store, 4, 0},    // fst.s
    {0x2b800000, 0x2bc00000, Form::si12, Use::load, 8, 0},     // fld.d
    {0x2bc00000, 0x2c000000, Form::si12, Use::store, 8, 0},    // fst.d
    {0x2c000000, 0x2c400000, Form::si12, Use::load, 16, 0},    // vld
    {0x2c400000, 0x2c800000, Form::si12, Use::store, 16, 0},   // vst
    {0x2c800000, 0x2cc00000, Form::si12, Use::load, 32, 0},    // xvld
    {0x2cc00000, 0x2d000000, Form::si12, Use::store, 32, 0},   // xvst
    {0x30100000, 0x30180000, Form::scaled, Use::load, 8, 0},   // vldrepl.d
    {0x30200000, 0x30300000, Form::scaled, Use::load, 4, 0},   // vldrepl.w
    {0x30400000, 0x30600000, Form::scaled, Use::load, 2, 0},   // vldrepl.h
    {0x30800000, 0x30c00000, Form::scaled, Use::load, 1, 0},   // vldrepl.b
    {0x31100000, 0x31180000, Form::element, Use::store, 8, 0}, // vstelm.d
    {0x31200000, 0x31300000, Form::element, Use::store, 4, 0}, // vstelm.w
    {0x31400000, 0x31600000, Form::element, Use::store, 2, 0}, // vstelm.h
    {0x31800000, 0x31c00000, Form::element, Use::store, 1, 0}, // vstelm.b
    {0x32100000, 0x32180000, Form::scaled, Use::load, 8, 0},   // xvldrepl.d
    {0x32200000, 0x32300000, Form::scaled, Use::load, 4, 0},   // xvldrepl.w
    {0x32400000, 0x32600000, Form::scaled, Use::load, 2, 0},   // xvldrepl.h
    {0x32800000, 0x32c00000, Form::scaled, Use::load, 1, 0},   // xvldrepl.b
    {0x33100000, 0x33200000, Form::element, Use::store, 8, 0}, // xvstelm.d
    {0x33200000, 0x33400000, Form::element, Use::store, 4, 0}, // xvstelm.w
    {0x33400000, 0x33800000, Form::element, Use::store, 2, 0}, // xvstelm.h
    {0x33800000, 0x34000000, Form::element, Use::store, 1, 0}, // xvstelm.b
    {0x38720000, 0x38740000, Form::base, Use::load, 0, 0},     // dbar, ibar
    {0x38570000, 0x38578000, Form::base, Use::store, 16, 0, Kind::store_conditional}, // sc.q
    {0x38580000, 0x385c0000, Form::base, Use::both, 1, 4},  // amcas.b to d, with _db
    {0x385c0000, 0x38600000, Form::base, Use::both, 1, 2},  // amswap.b, h, amadd.b, h, with _db
    {0x38600000, 0x38720000, Form::base, Use::both, 4, 2},  // amswap.w to ammin_db.du
    {0x38740000, 0x38760000, Form::base, Use::load, 4, 2},  // fldgt.s, d, fldle.s, d
    {0x38760000, 0x38780000, Form::base, Use::store, 4, 2}, // fstgt.s, d, fstle.s, d
    {0x38780000, 0x387c0000, Form::base, Use::load, 1, 4},  // ldgt.b to d, ldle
    {0x387c0000, 0x38800000, Form::base, Use::store, 1, 4}, // stgt.b to d, stle
};

/// ldx, stx and their relatives: 0x40000 apart, the rest of the word being rk, rj, rd.
struct Indexed {
  std::uint8_t bytes;
  Use use;
};
constexpr Indexed indexed_accesses[] = {
    {1, Use::load},  {2, Use::load},
    {4, Use::load},  {8, Use::load}, // ldx.b, h, w, d
    {1, Use::store}, {2, Use::store},
    {4, Use::store}, {8, Use::store}, // stx.b, h, w, d
    {1, Use::load},  {2, Use::load},
    {4, Use::load},  {0, Use::load}, // ldx.bu, hu, wu; preldx
    {4, Use::load},  {8, Use::load},
    {4, Use::store}, {8, Use::store}, // fldx.s, d, fstx.s, d
    {16, Use::load}, {16, Use::store},
    {32, Use::load}, {32, Use::store}, // vldx, vstx, xvldx, xvstx
};
constexpr Word first_indexed = 0x38000000, indexed_apart = 0x40000, operation_17 = 0x8000,
               operation_10 = 0x400000;

void set_access(Instruction& out, unsigned bytes, Use use) {
  out.bytes = static_cast<std::uint8_t>(bytes);
  out.reads = bytes != 0 && use != Use::store;
  out.writes = bytes != 0 && use != Use::load;
}

std::int64_t offset_of(Word word, Form form, unsigned bytes) {
  const auto size_bits = static_cast<unsigned>(std::countr_zero(bytes));
  switch (form) {
  case Form::si12:
    return sign_extend(field(word, 10, 12), 12);
  case Form::si14:
    return sign_extend(field(word, 10, 14), 14) * 4;
  case Form::scaled:
    return sign_extend(field(word, 10, 12 - size_bits), 12 - size_bits) * bytes;
  case Form::element:
    return sign_extend(field(word, 10, 8), 8) * bytes;
  default:
    return 0;
  }
}

/// llacq and screl: one operation, told apart where rk would be.
Instruction acquire_release(Word word) {
  Instruction out;
  const unsigned which = field(word, 10, 5);
  if (which > 3) return out;
  const bool store = (which & 1) != 0;
  out.kind = store ? Kind::store_conditional : Kind::load_linked;
  out.rj = static_cast<std::uint8_t>(field(word, 5, 5));
  set_access(out, which < 2 ? 4 : 8, store ? Use::store : Use::load);
  return out;
}

Instruction memory(Word word) {
  Instruction out;
  constexpr Word acquire_release_first = 0x38578000, acquire_release_end = 0x38580000;
  if (word >= acquire_release_first && word < acquire_release_end) return acquire_release(word);
  const unsigned number = (word - first_indexed) / indexed_apart;
  if (word >= first_indexed && number < std::size(indexed_accesses)) {
    if ((word & (indexed_apart - 1)) >= operation_17) return out;
    out.rj = static_cast<std::uint8_t>(field(word, 5, 5));
    out.rk = static_cast<std::uint8_t>(field(word, 10, 5));
    out.indexed = true;
    set_access(out, indexed_accesses[number].bytes, indexed_accesses[number].use);
    return out;
  }
  const auto* found = std::find_if(std::begin(ranges), std::end(ranges), [&](const Range& range) {
    return word >= range.first && word < range.end;
  });
  if (found == std::end(ranges)) return out;
  unsigned bytes = found->bytes;
  if (found->sizes != 0) {
    const Word apart = found->form == Form::base ? operation_17 : operation_10;
    bytes <<= (word - found->first) / apart % found->sizes;
  }
  out.kind = found->kind;
  out.rj = static_cast<std::uint8_t>(field(word, 5, 5));
  out.offset = offset_of(word, found->form, std::max(bytes, 1u));
  set_access(out, bytes, found->use);
  return out;
}

/// Operations 0x10 to 0x1b of 6 bits (manual 2.2.5 and 3.2.6).
Instruction control(Word word) {
  Instruction out;
  const unsigned operation = field(word, 26, 6);
  const std::uint64_t low = field(word, 10, 16);
  out.rj = static_cast<std::uint8_t>(field(word, 5, 5));
  out.rd = static_cast<std::uint8_t>(field(word, 0, 5));
  if (operation <= 0x12) {
    out.offset = sign_extend(low | std::uint64_t{field(word, 0, 5)} << 16, 21) * 4;
    out.kind = Kind::branch_zero;
    out.condition = static_cast<std::uint8_t>(operation - 0x10);
    out.rd = 0;
    if (operation == 0x12) { // the flag has 3 bits; above them 0 and 1 for its two branches
      if (out.rj >= 16) return {};
      out.kind = Kind::branch_condition;
      out.condition = out.rj >> 3;
      out.rj &= 7;
    }
  } else if (operation == 0x13) {
    out.kind = Kind::jump_register;
    out.offset = sign_extend(low, 16) * 4;
  } else if (operation <= 0x15) {
    out.kind = Kind::jump;
    out.offset = sign_extend(low | std::uint64_t{field(word, 0, 10)} << 16, 26) * 4;
    out.rj = 0;
    out.rd = operation == 0x15 ? 1 : 0;
  } else {
    out.kind = Kind::branch;
    out.condition = static_cast<std::uint8_t>(operation - 0x16);
    out.offset = sign_extend(low, 16) * 4;
  }
  return out;
}

struct Special {
  Word mask, match;
  Kind kind;
};
constexpr Special specials[] = {{0xffff8000, 0x002b0000, Kind::system_call},
                                {0xffff8000, 0x002a0000, Kind::breakpoint},
                                {0xffff8000, 0x002b8000, Kind::hypercall},
                                {0xffffffff, 0x06483800, Kind::ertn},
                                {0xffff8000, 0x06488000, Kind::idle}};

} // namespace

Instruction decode(Word word) {
  const unsigned operation = field(word, 26, 6);
  if (operation >= 0x10 && operation <= 0x1b) return control(word);
  for (const Special& special : specials) {
    if ((word & special.mask) == special.match) return Instruction{.kind = special.kind};
  }
  return memory(word);
}

std::optional<Instruction> decode(ByteView code) {
  Word word = 0;
  if (code.size() < sizeof word) return {};
  std::memcpy(&word, code.data(), sizeof word);
  return decode(word);
}

Shape shape_of(ByteView code, std::uint64_t at, Word ours) {
  const auto found = decode(code);
  if (!found) return {};
  const std::uint64_t target = at + static_cast<std::uint64_t>(found->offset);
  switch (found->kind) {
  case Kind::plain:
  case Kind::load_linked:
    return {Flow::on, instruction_bytes, 0};
  case Kind::branch:
  case Kind::branch_zero:
  case Kind::branch_condition:
    return {Flow::branch, instruction_bytes, target};
  case Kind::jump:
    return {Flow::jump, instruction_bytes, target};
  case Kind::store_conditional:
    return {Flow::conditional, instruction_bytes, 0};
  case Kind::hypercall: {
    const bool stops = std::memcmp(code.data(), &ours, sizeof ours) == 0;
    return {stops ? Flow::breakpoint : Flow::away, instruction_bytes, 0};
  }
  default:
    return {Flow::away, instruction_bytes, 0};
  }
}

bool taken(std::uint8_t condition, std::uint64_t left, std::uint64_t right) {
  const bool base = condition < 2 ? left == right
                    : condition < 4
                        ? static_cast<std::int64_t>(left) < static_cast<std::int64_t>(right)
                        : left < right;
  return base != ((condition & 1) != 0);
}

} // namespace kdbg::kvm::loongarch64
