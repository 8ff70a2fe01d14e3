#include "kvm/arch/arm64/decode.hpp"

namespace kdbg::kvm::arm64 {
namespace {

struct Row {
  std::uint32_t mask, match;
  Kind kind;
};
/// The first row that fits decides.
constexpr Row rows[] = {
    {0xffffffe0, 0xd53b4220, Kind::read_masks},
    {0xffffffe0, 0xd51b4220, Kind::write_masks},
    {0xfffff0ff, 0xd50340df, Kind::set_masks},
    {0xfffff0ff, 0xd50340ff, Kind::clear_masks},
    {0xfffff3ff, 0xd69f03e0, Kind::exception_return}, // ERETAA and ERETAB have 2 and 3 in 11:10
    {0xffe0001c, 0xd4000000, Kind::call},
    {0xffc00000, 0xd5000000, Kind::system},
    // load and store exclusive: bit 23 clear; bit 22 a load; bit 21 a pair, of words or more
    {0x3fe00000, 0x08400000, Kind::load_exclusive},
    {0x3fe00000, 0x08000000, Kind::store_exclusive},
    {0xbfe00000, 0x88600000, Kind::load_exclusive},
    {0xbfe00000, 0x88200000, Kind::store_exclusive},
    {0x7c000000, 0x14000000, Kind::branch}, // B, BL
    {0xff000000, 0x54000000, Kind::branch}, // B.cond, BC.cond
    {0x7c000000, 0x34000000, Kind::branch}, // CBZ, CBNZ, TBZ, TBNZ
    {0xfe000000, 0xd6000000, Kind::branch}, // to a register
};

/// The signed field of `bits` at `at`, times 4.
std::int64_t offset(std::uint32_t word, unsigned at, unsigned bits) {
  const auto field = static_cast<std::int32_t>(word << (32 - at - bits));
  return std::int64_t{field >> (32 - bits)} * 4;
}

} // namespace

Instruction decode(std::uint32_t word) {
  for (const Row& row : rows) {
    if ((word & row.mask) != row.match) continue;
    return {row.kind, static_cast<std::uint8_t>(word & 31), std::uint64_t{word >> 8 & 15} << 6};
  }
  return {};
}

std::int64_t conditional_offset(std::uint32_t word) {
  if ((word & 0xff000000) == 0x54000000 || (word & 0x7e000000) == 0x34000000) {
    return offset(word, 5, 19);
  }
  if ((word & 0x7e000000) == 0x36000000) return offset(word, 5, 14);
  return 0;
}

} // namespace kdbg::kvm::arm64
