// Instructions that KVM's emulator does not know outside real mode, and that guests cannot do
// without. On hardware KVM never comes here; a KVM that runs guest code in its emulator (kvm_pvm)
// ends each in KVM_EXIT_INTERNAL_ERROR with pc at it. int3 and icebp become the traps that they
// are; int n and fwait, which Linux uses, are carried out here so that the guest goes on.
#include "kvm/arch/x86_64/cpu.hpp"

namespace kdbg::kvm::x86 {
namespace {

constexpr std::byte opcode_int3{0xcc}, opcode_icebp{0xf1}, opcode_int{0xcd}, opcode_fwait{0x9b};

} // namespace

/// Queues the interrupt that an `int n` at pc raises. False when its gate refuses this privilege
/// level, or there is none: then the guest's failure stands.
Result<bool> X86Cpu::software_interrupt(std::uint8_t vector) {
  auto gate = read_gate(vector);
  if (!gate && gate.error().code == Code::kernel) return gate.error();
  if (!gate || !gate->present || sregs_->ss.dpl > gate->privilege) return false;
  auto events = TRY(vcpu_.get<VcpuEvents>(get_events));
  if (events.interrupt.injected != 0) return false;
  events.interrupt.injected = 1;
  events.interrupt.nr = vector;
  TRY(vcpu_.set(set_events, events));
  return true;
}

Result<std::optional<Trap>> X86Cpu::decode_unemulated() {
  const Bytes code = TRY(code_at_pc());
  if (code.empty()) return std::optional<Trap>{};
  if (code[0] == opcode_int3) return std::optional(Trap{.software = true});
  if (code[0] == opcode_icebp) return std::optional(Trap{.guests = true});
  if (code[0] == opcode_fwait) {
    regs_->rip += 1; // no FPU exception can be pending where none is emulated
    regs_dirty_ = true;
    return std::optional(Trap{.stepped = plan_.step});
  }
  if (code[0] == opcode_int && code.size() > 1) {
    regs_->rip += 2;
    regs_dirty_ = true;
    TRY(flush_regs());
    if (TRY(software_interrupt(std::to_integer<std::uint8_t>(code[1])))) {
      return std::optional(Trap{});
    }
    regs_->rip -= 2;
    regs_dirty_ = true;
  }
  return std::optional<Trap>{};
}

} // namespace kdbg::kvm::x86
