// Exceptions as the guest takes them. KVM has no call that hands a debug exception back, so what
// the CPU does on the way into a handler is done here by registers (Arm ARM, D1.3.1 and
// AArch64.TakeException).
#include "kvm/arch/arm64/cpu.hpp"

#include <fmt/format.h>

namespace kdbg::kvm::arm64 {
namespace {

constexpr unsigned vectors = 16, vector_bytes_each = 0x80, cause_at = 26;
constexpr std::uint64_t from_lower_aarch32 = 0x600, from_lower_aarch64 = 0x400,
                        from_current_spx = 0x200, from_current_sp0 = 0;

} // namespace

struct Arm64Cpu::Level {
  unsigned number;
  std::uint64_t esr, far, elr, spsr, vbar, sctlr;
};

namespace {

constexpr bool paired(std::uint64_t cause) {
  return cause == static_cast<std::uint64_t>(Cause::breakpoint) ||
         cause == static_cast<std::uint64_t>(Cause::step) ||
         cause == static_cast<std::uint64_t>(Cause::watchpoint);
}

/// Table D1-6, for synchronous exceptions.
std::uint64_t vector_offset(std::uint64_t state, unsigned target) {
  if (exception_level(state) < target) {
    return (state & pstate_aarch32) != 0 ? from_lower_aarch32 : from_lower_aarch64;
  }
  return (state & pstate_sp) != 0 ? from_current_spx : from_current_sp0;
}

} // namespace

/// EL1, but for a vCPU with EL2 whose hypervisor takes debug exceptions or all of EL0's.
Result<const Arm64Cpu::Level*> Arm64Cpu::level_of_handler(std::uint64_t now) {
  static constexpr Level el1{
      1, reg::esr_el1, reg::far_el1, reg::elr_el1, reg::spsr_el1, reg::vbar_el1, reg::sctlr_el1},
      el2{2,
          reg::esr_el2,
          reg::far_el2,
          reg::elr_el2,
          reg::spsr_el2,
          reg::vbar_el2,
          reg::sctlr_el2};
  if (!TRY(has_el2())) return &el1;
  const unsigned level = exception_level(now);
  if (level == 2) return &el2;
  if (level == 0 && (TRY(regs_.get(reg::hcr_el2)) & hcr_tge) != 0) return &el2;
  return (TRY(regs_.get(reg::mdcr_el2)) & mdcr_tde) != 0 ? &el2 : &el1;
}

/// PSTATE at the first instruction of the handler. SPSR has these bits at the same places for
/// AArch32.
Result<std::uint64_t> Arm64Cpu::handler_state(const Level& level, std::uint64_t now) {
  constexpr std::uint64_t kept = 0xf0000000 | pstate_pan | pstate_dit; // N, Z, C, V
  constexpr std::uint64_t mte_at = 8, mte_with_memory = 2;             // ID_AA64PFR1_EL1.MTE
  std::uint64_t out = (now & kept) | pstate_daif | level.number << 2 | pstate_sp;
  const std::uint64_t control = TRY(regs_.get(level.sctlr));
  if ((control & sctlr_span) == 0) out |= pstate_pan; // SPAN reads as one without PAN
  if ((control & sctlr_dssbs) != 0) out |= pstate_ssbs;
  const std::uint64_t features = TRY(regs_.get(reg::id_aa64pfr1_el1));
  if ((features >> mte_at & 15) >= mte_with_memory) out |= pstate_tco;
  return out;
}

Status Arm64Cpu::deliver(std::uint64_t why, std::optional<std::uint64_t> fault_address) {
  const std::uint64_t now = TRY(state()), at = TRY(regs_.get(reg::pc));
  const Level& level = *TRY(level_of_handler(now));
  const std::uint64_t cause = why >> cause_at & 63;
  const bool same_level = exception_level(now) == level.number;
  if (same_level && paired(cause)) why += std::uint64_t{1} << cause_at;
  const std::uint64_t handler = TRY(regs_.get(level.vbar)) + vector_offset(now, level.number);
  const std::uint64_t next = TRY(handler_state(level, now));
  TRY(regs_.set(level.esr, why));
  if (fault_address) TRY(regs_.set(level.far, *fault_address));
  TRY(regs_.set(level.elr, at));
  TRY(regs_.set(level.spsr, now));
  TRY(regs_.set(reg::pstate, next));
  TRY(regs_.set(reg::pc, handler));
  hidden_masks_.reset(); // the masks that are set now are the exception's
  masks_hold_ = false;
  return Done{};
}

/// Vectors are numbered in the order of the table: 0 to 3 the current level's with SP_EL0 (in the
/// order synchronous, IRQ, FIQ, SError), 4 to 7 with its own stack, 8 to 11 a lower level's, 12 to
/// 15 that in AArch32.
Result<GuestVirt> Arm64Cpu::exception_entry(unsigned vector) {
  if (vector >= vectors) {
    return Error{Code::bad_request,
                 fmt::format("there is no vector {}; arm64 has {}", vector, vectors)};
  }
  const std::uint64_t table = TRY(regs_.get(reg::vbar_el1));
  if (table != 0) return GuestVirt{table + std::uint64_t{vector} * vector_bytes_each};
  return Error{Code::memory_fault, "the guest has set up no exception vectors: VBAR_EL1 is 0"};
}

Result<ExceptionFrame> Arm64Cpu::exception_frame(unsigned) {
  ExceptionFrame out;
  out.error = TRY(regs_.get(reg::esr_el1));
  out.note = fmt::format("from {:#x}, address {:#x}", TRY(regs_.get(reg::elr_el1)),
                         TRY(regs_.get(reg::far_el1)));
  return out;
}

} // namespace kdbg::kvm::arm64
