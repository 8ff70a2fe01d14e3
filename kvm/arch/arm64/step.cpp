// What a single step needs, and what it leaves in the guest.
//
// KVM keeps interrupts away from a step on x86 alone. Here PSTATE.I and F are set for it, and the
// guest must never see that: MRS DAIF is put right in its register, MSR DAIF* changes what the
// guest has set and not what we hold, ERET brings PSTATE anew, and an exception saved ours in SPSR.
// Between steps ours stay, so that a row of steps costs no more ioctls than steps without.
// A load-exclusive sequence is run through to its ends: each exit clears the exclusive monitor, and
// a stepped store would never succeed.
#include "kvm/arch/arm64/cpu.hpp"

#include <utility>

namespace kdbg::kvm::arm64 {
namespace {

constexpr unsigned zero_register = 31, instruction_bytes = 4, most_in_sequence = 16;
constexpr std::uint64_t vector_space = 0x800, vector_alignment = 0x80, mdscr_ss = 1;

} // namespace

Status Arm64Cpu::mask_interrupts() {
  if (hidden_masks_ && masks_hold_) return Done{};
  const std::uint64_t held = TRY(regs_.get(reg::pstate));
  if ((held & pstate_aarch32) != 0 && exception_level(held) != 0) return unmask_interrupts();
  if (!hidden_masks_) hidden_masks_ = held & interrupt_masks;
  if ((held & interrupt_masks) != interrupt_masks) {
    TRY(regs_.set(reg::pstate, held | interrupt_masks));
  }
  masks_hold_ = true;
  return Done{};
}

Status Arm64Cpu::unmask_interrupts() {
  if (!hidden_masks_) return Done{};
  const std::uint64_t held = TRY(regs_.get(reg::pstate)), wanted = TRY(state());
  if (held != wanted) TRY(regs_.set(reg::pstate, wanted));
  hidden_masks_.reset();
  masks_hold_ = false;
  return Done{};
}

/// Where a step of a load-exclusive can end: after the store, at the target of a branch out before
/// it, and at the handler of a fault. None when no store follows, and for what is too tangled.
Result<StepPlan> Arm64Cpu::exclusive_ends(std::uint64_t at) {
  StepPlan out;
  std::optional<std::uint64_t> branch;
  for (unsigned n = 1; n < most_in_sequence; ++n) {
    const std::uint64_t here = at + std::uint64_t{n} * instruction_bytes;
    const auto word = TRY(word_at(here));
    if (!word) return StepPlan{};
    const Kind kind = decode(*word).kind;
    if (kind == Kind::store_exclusive) {
      out.ends[0] = here + instruction_bytes;
      if (branch != out.ends[0]) out.ends[1] = branch;
      const std::uint64_t now = TRY(state());
      const std::uint64_t offset = exception_level(now) == 0 ? 0x400 : (now & pstate_sp) * 0x200;
      out.ends[3] = TRY(regs_.get(reg::vbar_el1)) + offset;
      return out;
    }
    if (kind != Kind::branch && kind != Kind::call && kind != Kind::exception_return) continue;
    const std::int64_t offset = conditional_offset(*word);
    if (offset == 0 || branch) return StepPlan{};
    branch = here + static_cast<std::uint64_t>(offset);
  }
  return StepPlan{};
}

Result<StepPlan> Arm64Cpu::begin_step() {
  StepPlan out;
  out.done = std::exchange(delivered_, false);
  const std::uint64_t at = TRY(regs_.get(reg::pc));
  before_ = Before{};
  before_.pc = at;
  before_.delivered = out.done;
  if (!TRY(in_aarch32())) before_.word = TRY(word_at(at));
  if (before_.word) before_.instruction = decode(*before_.word);
  if (out.done || before_.instruction.kind != Kind::load_exclusive) return out;
  before_.ends = TRY(exclusive_ends(at));
  out.ends.front() = before_.ends.ends.front();
  return out;
}

Result<bool> Arm64Cpu::step_progressed() {
  return TRY(regs_.get(reg::pc)) != before_.pc;
}

/// KVM remembers that a step is due across its exits, and pays it even when userspace has been told
/// of that step already by an interrupted KVM_RUN: then nothing has been carried out. Twice at the
/// same place, it is the guest that goes nowhere.
Result<bool> Arm64Cpu::step_lost() {
  const Kind kind = before_.instruction.kind;
  const bool may_stay =
      kind == Kind::branch || kind == Kind::exception_return || !before_.word || before_.delivered;
  if (may_stay || TRY(step_progressed())) {
    lost_at_.reset();
    return false;
  }
  const bool again = lost_at_ == before_.pc;
  lost_at_ = again ? std::nullopt : std::optional(before_.pc);
  return !again;
}

/// The vCPU is at an exception's handler, which returns to what was stepped, or to the next
/// instruction where that made the exception.
Result<bool> Arm64Cpu::took_exception(std::uint64_t at) {
  if (at % vector_alignment != 0) return false;
  const bool to_el2 = TRY(has_el2()) && exception_level(TRY(regs_.get(reg::pstate))) == 2;
  const std::uint64_t table = TRY(regs_.get(to_el2 ? reg::vbar_el2 : reg::vbar_el1));
  if (at - table >= vector_space) return false;
  const std::uint64_t back = TRY(regs_.get(to_el2 ? reg::elr_el2 : reg::elr_el1)) - before_.pc;
  const bool after = before_.instruction.kind == Kind::call || !before_.word;
  std::uint64_t farthest = after ? instruction_bytes : 0;
  if (const auto& end = before_.ends.ends.front()) farthest = *end - before_.pc - instruction_bytes;
  if (back > farthest) return false;
  const std::uint64_t id = to_el2 ? reg::spsr_el2 : reg::spsr_el1;
  const std::uint64_t saved = TRY(regs_.get(id));
  std::uint64_t right = saved;
  if (hidden_masks_) right = (right & ~interrupt_masks) | *hidden_masks_;
  // the CPU saves the step that was under way; a guest that steps itself has its own
  if ((TRY(regs_.get(reg::mdscr_el1)) & mdscr_ss) == 0) right &= ~pstate_ss;
  if (right != saved) TRY(regs_.set(id, right));
  return true;
}

/// The stepped instruction was carried out, with our masks in PSTATE.
Status Arm64Cpu::put_right_masks() {
  const Instruction& stepped = before_.instruction;
  switch (stepped.kind) {
  case Kind::read_masks: {
    if (stepped.reg == zero_register) return Done{};
    const std::uint64_t read = TRY(regs_.get(reg::x(stepped.reg)));
    const std::uint64_t right = (read & ~interrupt_masks) | *hidden_masks_;
    return right == read ? Status{Done{}} : regs_.set(reg::x(stepped.reg), right);
  }
  case Kind::write_masks:
    hidden_masks_ =
        stepped.reg == zero_register ? 0 : TRY(regs_.get(reg::x(stepped.reg))) & interrupt_masks;
    break;
  case Kind::set_masks:
    hidden_masks_ = *hidden_masks_ | (stepped.masks & interrupt_masks);
    break;
  case Kind::clear_masks:
    hidden_masks_ = *hidden_masks_ & ~stepped.masks;
    break;
  case Kind::exception_return: // PSTATE is what the guest had in SPSR
    hidden_masks_.reset();
    break;
  default:
    return Done{};
  }
  masks_hold_ = false;
  return Done{};
}

Result<bool> Arm64Cpu::end_step() {
  const std::uint64_t at = TRY(regs_.get(reg::pc));
  if (before_.delivered) return true;
  const bool excepted = TRY(took_exception(at));
  before_.ends = {}; // what is armed next is another step
  if (excepted) {
    hidden_masks_.reset(); // those that are set now are the exception's
    masks_hold_ = false;
    return true;
  }
  const bool returned = before_.instruction.kind == Kind::exception_return;
  if (hidden_masks_ && (returned || at != before_.pc)) TRY(put_right_masks());
  return true;
}

} // namespace kdbg::kvm::arm64
