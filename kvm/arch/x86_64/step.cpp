// What a single step leaves in the guest, and how it is put right.
//
// The CPU pushes RFLAGS with our TF on pushf, on every exception and interrupt, and syscall saves
// it in r11. popf, iret and sysret load a new TF that is the guest's. KVM hides TF from
// KVM_GET_REGS while SINGLESTEP is on and forgets the guest's own. So: look before, repair after.
#include "kvm/arch/x86_64/cpu.hpp"

#include <cstring>

namespace kdbg::kvm::x86 {
namespace {

constexpr std::uint32_t msr_sfmask = 0xc0000084;

}  // namespace

unsigned X86Cpu::stack_width() const {
  switch (code_mode(*sregs_)) {
    case CodeMode::bits64: return 8;
    case CodeMode::bits32: return 4;
    case CodeMode::bits16: return 2;
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

Status X86Cpu::clear_trap_flag_at(std::uint64_t at, unsigned bytes) {
  std::uint64_t flags = 0;
  if (!flags_image(at, bytes, flags) || (flags & flag_tf) == 0) return Done{};
  flags &= ~flag_tf;
  if (write_linear(at, std::as_bytes(std::span(&flags, 1)).first(bytes))) return Done{};
  return Error{Code::memory_fault, "cannot clear TF in a flags image on the guest's stack"};
}

Status X86Cpu::begin_step() {
  TRY(load_regs());
  TRY(load_sregs());
  const Bytes code = TRY(code_at_pc());
  before_ = Before{decode(code, code_mode(*sregs_)), *regs_, sregs_->cs.selector, sregs_->cs.base, guest_trap_flag(), 0,
                   (regs_->rflags & flag_if) == 0};
  const unsigned width = before_.instruction.operand_bytes;
  if (before_.instruction.kind == Kind::popf) {
    flags_image(stack_address(regs_->rsp), width, before_.flags_to_load);
  } else if (before_.instruction.kind == Kind::iret) {
    flags_image(stack_address(regs_->rsp + 2u * width), width, before_.flags_to_load);
  } else if (before_.instruction.kind == Kind::sysret) {
    before_.flags_to_load = regs_->r11;
  }
  return Done{};
}

Result<bool> X86Cpu::step_progressed() {
  TRY(load_regs());
  const Regs& was = before_.regs;
  return regs_->rip != was.rip || regs_->rcx != was.rcx || regs_->rsi != was.rsi || regs_->rdi != was.rdi;
}

/// An exception or interrupt was delivered instead of, or right after, the stepped instruction:
/// its frame at the top of the stack holds our TF. True when there was one.
Result<bool> X86Cpu::clean_exception_frame() {
  const std::uint64_t next = before_.regs.rip + before_.instruction.length;
  if (regs_->rip == next || regs_->rip == before_.regs.rip) return false;
  const unsigned width = stack_width();
  for (unsigned error_code = 0; error_code < 2; ++error_code) {
    const std::uint64_t frame = stack_address(regs_->rsp) + error_code * width;
    std::uint64_t rip = 0, cs = 0, flags = 0;
    if (!flags_image(frame, width, rip) || !flags_image(frame + width, width, cs) ||
        !flags_image(frame + 2u * width, width, flags)) {
      return false;
    }
    const bool ours = (cs & 0xffff) == before_.cs_selector && rip >= before_.regs.rip && rip <= before_.regs.rip + 15;
    if (!ours || (flags & ~std::uint64_t{0x3fffff}) != 0 || (flags & 2) == 0) continue;
    if (!before_.guest_tf) TRY(clear_trap_flag_at(frame + 2u * width, width));
    return true;
  }
  return false;
}

Status X86Cpu::end_awkward_step() {
  const unsigned width = before_.instruction.operand_bytes;
  switch (before_.instruction.kind) {
    case Kind::pushf:
      return before_.guest_tf ? Status{Done{}} : clear_trap_flag_at(stack_address(regs_->rsp), width);
    case Kind::popf: case Kind::iret: case Kind::sysret:
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

Status X86Cpu::end_step() {
  TRY(load_regs());
  TRY(load_sregs());
  if (TRY(clean_exception_frame())) {
    guest_tf_ = false;  // the CPU clears TF on the way into a handler
    return Done{};
  }
  TRY(end_awkward_step());
  if (before_.guest_tf && before_.instruction.kind != Kind::load_ss) {
    trap_for_guest_ |= dr6_bs;  // the guest single-steps itself: it is owed its own #DB
    trap_due_ = true;
  }
  return Done{};
}

Result<std::vector<Access>> X86Cpu::accesses() {
  const Bytes code = TRY(code_at_pc());
  return x86::accesses(code, *regs_, *sregs_);
}

}  // namespace kdbg::kvm::x86
