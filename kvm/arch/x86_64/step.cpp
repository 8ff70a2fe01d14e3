// What a single step leaves in the guest, and how it is put right.
//
// The CPU pushes RFLAGS with our TF on pushf, on every exception and interrupt, and syscall saves
// it in r11. popf, iret and sysret load a new TF that is the guest's. KVM hides TF from
// KVM_GET_REGS while SINGLESTEP is on and forgets the guest's own. So: look before, repair after.
#include "kvm/arch/x86_64/cpu.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace kdbg::kvm::x86 {
namespace {

constexpr std::uint32_t msr_sfmask = 0xc0000084;

} // namespace

unsigned X86Cpu::stack_width() const {
  switch (code_mode(*sregs_)) {
  case CodeMode::bits64:
    return 8;
  case CodeMode::bits32:
    return 4;
  case CodeMode::bits16:
    return 2;
  }
  return 8;
}

std::uint64_t X86Cpu::stack_address(std::uint64_t pointer) const {
  if (code_mode(*sregs_) == CodeMode::bits64) return pointer;
  return sregs_->ss.base + (pointer & (sregs_->ss.db != 0 ? 0xffffffff : 0xffff));
}

bool X86Cpu::flags_image(std::uint64_t at, unsigned bytes, std::uint64_t& flags) {
  flags = 0;
  return read_linear(at, std::as_writable_bytes(std::span(&flags, 1)).first(bytes)) == bytes;
}

Status X86Cpu::set_trap_flag_at(std::uint64_t at, unsigned bytes, bool on) {
  std::uint64_t flags = 0;
  if (!flags_image(at, bytes, flags) || ((flags & flag_tf) != 0) == on) return Done{};
  flags ^= flag_tf;
  if (write_linear(at, std::as_bytes(std::span(&flags, 1)).first(bytes))) return Done{};
  return Error{Code::memory_fault, "cannot put right TF in a flags image on the guest's stack"};
}

/// KVM's emulator, stepping a HLT, lets one more instruction run before the vCPU sleeps. So here
/// the vCPU is put to sleep behind it. False when that is not possible: no in-kernel local APIC,
/// or not ring 0, where HLT faults.
Result<bool> X86Cpu::halt_by_hand() {
  if (sregs_->ss.dpl != 0) return false;
  kvm_mp_state state{KVM_MP_STATE_HALTED};
  if (auto set = vcpu_.set(KVM_SET_MP_STATE, state); !set) {
    return set.error().sys_errno == EINVAL ? Result<bool>(false) : set.error();
  }
  auto events = TRY(vcpu_.get<VcpuEvents>(get_events));
  events.interrupt.shadow = 0; // of an sti before it: it would keep the wake-up out
  events.flags |= events_shadow;
  TRY(vcpu_.set(set_events, events));
  sti_shadow_due_ = false;
  regs_->rip += before_.instruction.length;
  regs_dirty_ = true;
  return true;
}

Result<StepPlan> X86Cpu::begin_step() {
  step_cut_ = false;
  TRY(load_regs());
  TRY(load_sregs());
  const Bytes code = TRY(code_at_pc());
  before_ =
      Before{decode(code, code_mode(*sregs_)), *regs_, sregs_->cs.selector, guest_trap_flag(), 0,
             (regs_->rflags & flag_if) == 0};
  const unsigned width = before_.instruction.operand_bytes;
  if (before_.instruction.kind == Kind::popf) {
    flags_image(stack_address(regs_->rsp), width, before_.flags_to_load);
  } else if (before_.instruction.kind == Kind::iret) {
    flags_image(stack_address(regs_->rsp + 2u * width), width, before_.flags_to_load);
  } else if (before_.instruction.kind == Kind::sysret) {
    before_.flags_to_load = regs_->r11;
  }
  StepPlan plan;
  if (facts_.emulated) {
    if (before_.instruction.kind == Kind::hlt) plan.done = TRY(halt_by_hand());
    // The emulator's trap after an iret comes one instruction late.
    if (before_.instruction.kind == Kind::iret) plan.ends.front() = iret_target();
  } else {
    plan.ends.front() = TRY(handler_to_come());
  }
  return plan;
}

std::optional<std::uint64_t> X86Cpu::iret_target() {
  const unsigned width = before_.instruction.operand_bytes;
  std::uint64_t target = 0, cs = 0;
  if (!flags_image(stack_address(regs_->rsp), width, target)) return {};
  // in real mode the frame names the base as well
  if ((sregs_->cr0 & cr0_pe) == 0 && flags_image(stack_address(regs_->rsp + width), 2, cs)) {
    target += cs << 4;
  }
  return target;
}

/// As far as pages say (SDM vol. 3, 4.6).
bool X86Cpu::faults(const Access& access) {
  const bool user = sregs_->ss.dpl == 3;
  const bool kept_out = !user && (sregs_->cr4 & cr4_smap) != 0 && (regs_->rflags & flag_ac) == 0;
  constexpr std::uint64_t page = 0x1000;
  for (std::uint64_t at = access.address; at - access.address < access.length;
       at = (at | (page - 1)) + 1) {
    auto where = translate(Address{at});
    if (!where) return true;
    if (where->page_size == 0) continue; // paging is off
    if (user ? !where->user : kept_out && where->user) return true;
    const bool guarded = user || (sregs_->cr0 & cr0_wp) != 0;
    if (access.writes && guarded && !where->writable) return true;
  }
  return false;
}

/// An exception clears TF on the way into its handler, which would then run freely, up to the iret
/// that brings TF back (SDM vol. 3, 17.3.1.4). So the step of an instruction that raises one, or
/// is about to, also ends at the handler.
Result<std::optional<std::uint64_t>> X86Cpu::handler_to_come() {
  constexpr std::uint8_t debug = 1, breakpoint = 3, page_fault = 14;
  const Bytes code = TRY(code_at_pc());
  std::optional<std::uint8_t> vector = before_.instruction.raises;
  const auto touched = x86::accesses(code, *regs_, *sregs_);
  if (code.empty() || std::any_of(touched.begin(), touched.end(),
                                  [this](const Access& access) { return faults(access); })) {
    vector = page_fault;
  }
  if (breakpoint_due_) vector = breakpoint; // what we owe the guest comes before the instruction
  if (trap_due_) vector = debug;
  if (!vector) return std::optional<std::uint64_t>{};
  auto entry = exception_entry(*vector);
  if (entry) return std::optional(entry->value);
  if (entry.error().code == Code::kernel) return entry.error();
  return std::optional<std::uint64_t>{};
}

Result<bool> X86Cpu::step_progressed() {
  TRY(load_regs());
  const Regs& was = before_.regs;
  return regs_->rip != was.rip || regs_->rcx != was.rcx || regs_->rsi != was.rsi ||
         regs_->rdi != was.rdi;
}

Result<bool> X86Cpu::step_lost() {
  const bool early = facts_.step_trap_lingers && !before_.instruction.stays;
  return (before_.instruction.locked || early) && !TRY(step_progressed());
}

/// An exception or interrupt was delivered instead of, or right after, the stepped instruction:
/// its frame at the top of the stack holds our TF. True when there was one.
Result<bool> X86Cpu::clean_exception_frame() {
  const std::uint64_t next = before_.regs.rip + before_.instruction.length;
  if (regs_->rip == next || regs_->rip == before_.regs.rip) return false;
  const unsigned width = stack_width();
  // Above it an error code, and what the handler's first instruction pushed where KVM stops after
  // that.
  constexpr unsigned most_words_above = 3;
  for (unsigned above = 0; above <= most_words_above; ++above) {
    const std::uint64_t frame = stack_address(regs_->rsp) + above * width;
    std::uint64_t rip = 0, cs = 0, flags = 0;
    if (!flags_image(frame, width, rip) || !flags_image(frame + width, width, cs) ||
        !flags_image(frame + 2u * width, width, flags)) {
      return false;
    }
    const bool ours = (cs & 0xffff) == before_.cs_selector && rip >= before_.regs.rip &&
                      rip <= before_.regs.rip + 15 && !(before_.instruction.calls && rip == next);
    if (!ours || (flags & ~std::uint64_t{0x3fffff}) != 0 || (flags & 2) == 0) continue;
    TRY(set_trap_flag_at(frame + 2u * width, width, before_.guest_tf));
    return true;
  }
  return false;
}

Status X86Cpu::end_awkward_step() {
  const unsigned width = before_.instruction.operand_bytes;
  switch (before_.instruction.kind) {
  case Kind::pushf:
    return set_trap_flag_at(stack_address(regs_->rsp), width, before_.guest_tf);
  case Kind::popf:
  case Kind::iret:
  case Kind::sysret:
    guest_tf_ = (before_.flags_to_load & flag_tf) != 0;
    return Done{};
  case Kind::syscall:
    if (!before_.guest_tf && (regs_->r11 & flag_tf) != 0) {
      regs_->r11 &= ~flag_tf;
      regs_dirty_ = true;
    }
    if (auto mask = read_msr(msr_sfmask); mask && (*mask & flag_tf) != 0) guest_tf_ = false;
    return Done{};
  case Kind::sti:
    // An interrupt must not fall between sti and the instruction after it: stepping dropped
    // the shadow that guards it (sti; hlt would miss its wake-up).
    sti_shadow_due_ = before_.interrupts_off;
    return Done{};
  default:
    return Done{};
  }
}

Result<bool> X86Cpu::end_step() {
  TRY(load_regs());
  TRY(load_sregs());
  if (TRY(clean_exception_frame())) {
    guest_tf_ = false; // the CPU clears TF on the way into a handler
    return true;
  }
  if (before_.instruction.repeats && regs_->rip == before_.regs.rip) return false;
  TRY(end_awkward_step());
  const Kind kind = before_.instruction.kind;
  // syscall and sysret trap by the TF that they leave, all others by the one that they find
  const bool owed = kind == Kind::syscall || kind == Kind::sysret ? guest_tf_ : before_.guest_tf;
  if (owed && kind != Kind::load_ss) {
    trap_for_guest_ |= dr6_bs; // the guest single-steps itself: it is owed its own #DB
    trap_due_ = true;
  }
  return true;
}

Result<std::vector<Access>> X86Cpu::accesses() {
  const Bytes code = TRY(code_at_pc());
  return x86::accesses(code, *regs_, *sregs_);
}

} // namespace kdbg::kvm::x86
