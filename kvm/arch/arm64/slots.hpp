#pragma once
/// Debug-register pairs of arm64 (Arm ARM, D2.8 to D2.10): how a slot is written into them, and
/// which one a watchpoint exit means. Pure arithmetic.
#include "kvm/arch.hpp"

namespace kdbg::kvm::arm64 {

inline constexpr unsigned first_watch = 16; ///< of DebugPlan::slots; execution has those below

struct Pair {
  std::uint64_t control = 0, value = 0; ///< DBGBCR and DBGBVR, or DBGWCR and DBGWVR
};

/// At any exception level that a guest has.
Pair encode_breakpoint(std::uint64_t address);
/// Of a slot as split_watch makes them.
Pair encode_watch(const Slot& slot);

/// Exactly the range: any bytes of one aligned 8 take one pair, so does an aligned power of two of
/// up to 2 GiB. Empty when it needs more than `most`.
std::vector<Slot>
split_watch(PointKind kind, std::uint64_t address, std::uint64_t length, unsigned most);

/// The watch slots that an access at `far` hit, a bit each. The CPU may report an address below the
/// watched bytes, when one access, or DC ZVA, touches more than those: then it is the nearest one
/// (D2.10.5).
std::uint32_t watch_hits(const DebugPlan& plan, std::uint64_t far, bool write);

} // namespace kdbg::kvm::arm64
