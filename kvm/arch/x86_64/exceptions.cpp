// Exceptions as the guest takes them: where a vector's handler is, and what it finds on its stack
// (SDM vol. 3, 6.12 and 6.14; real mode: 20.1.4).
#include "kvm/arch/x86_64/cpu.hpp"

#include <fmt/format.h>

namespace kdbg::kvm::x86 {
namespace {

constexpr unsigned vector_page_fault = 14;

bool has_error_code(unsigned vector) {
  constexpr std::uint32_t with_code = 1u << 8 | 1u << 10 | 1u << 11 | 1u << 12 | 1u << 13 |
                                      1u << 14 | 1u << 17 | 1u << 21 | 1u << 29 | 1u << 30;
  return vector < 32 && (with_code >> vector & 1) != 0;
}

} // namespace

Result<X86Cpu::Gate> X86Cpu::read_gate(unsigned vector) {
  TRY(load_sregs());
  const bool real = (sregs_->cr0 & cr0_pe) == 0, long_mode = (sregs_->efer & efer_lma) != 0;
  const std::uint64_t bytes = real ? 4 : long_mode ? 16 : 8;
  const std::uint64_t at = sregs_->idt.base + vector * bytes;
  std::array<std::uint64_t, 2> raw{};
  const auto room = std::as_writable_bytes(std::span(raw)).first(bytes);
  if (vector * bytes + bytes - 1 > sregs_->idt.limit || read_linear(at, room) != bytes) {
    return Error{Code::memory_fault, fmt::format("the IDT at {:#x}, limit {:#x}, has no vector {}",
                                                 sregs_->idt.base, sregs_->idt.limit, vector)};
  }
  if (real) return Gate{(raw[0] >> 16 & 0xffff) * 16 + (raw[0] & 0xffff), true, 0};
  Gate gate;
  gate.present = (raw[0] >> 47 & 1) != 0;
  gate.privilege = raw[0] >> 45 & 3;
  gate.target = (raw[0] & 0xffff) | (raw[0] >> 32 & 0xffff0000);
  if (long_mode) gate.target |= raw[1] << 32;
  return gate;
}

/// Flat code segments are taken for granted, as every protected-mode kernel has them.
Result<GuestVirt> X86Cpu::exception_entry(unsigned vector) {
  const Gate gate = TRY(read_gate(vector));
  if (gate.present) return GuestVirt{gate.target};
  return Error{Code::memory_fault, fmt::format("the gate of vector {} is not present", vector)};
}

Result<ExceptionFrame> X86Cpu::exception_frame(unsigned vector) {
  TRY(load_regs());
  TRY(load_sregs());
  ExceptionFrame out;
  if ((sregs_->cr0 & cr0_pe) != 0 && has_error_code(vector)) {
    flags_image(stack_address(regs_->rsp), stack_width() == 8 ? 8 : 4, out.error);
  }
  if (vector == vector_page_fault) out.note = fmt::format("address {:#x}", sregs_->cr2);
  return out;
}

Status X86Cpu::serve_register_exit() {
  auto& exit = vcpu_.run_page().msr;
  if (vcpu_.run_page().exit_reason == KVM_EXIT_X86_WRMSR) {
    auto written = write_msr(exit.index, exit.data);
    exit.error = written ? 0 : 1; // the guest takes #GP, as from the instruction itself
    return !written && written.error().code == Code::kernel ? written : Status{Done{}};
  }
  auto value = read_msr(exit.index);
  exit.error = value ? 0 : 1;
  exit.data = value ? *value : 0;
  if (!value && value.error().code == Code::kernel) return value.error();
  return Done{};
}

/// For clients: some MSRs are also part of the system registers (EFER, the bases of FS and GS).
Status X86Cpu::change_msr(std::uint32_t msr, std::uint64_t value) {
  TRY(load_regs());
  TRY(write_msr(msr, value));
  sregs_.reset();
  sync_valid_ = false; // kvm_run has them as they were
  return Done{};
}

} // namespace kdbg::kvm::x86
