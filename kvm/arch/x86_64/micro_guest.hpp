#pragma once
/// The smallest guest that can ask KVM a question: one vCPU, 64 KiB, long mode, a few bytes of
/// code. Used by the probe.
#include "kvm/arch/x86_64/abi.hpp"
#include "kvm/arch/x86_64/intercept.hpp"
#include "kvm/small_guest.hpp"

#include <initializer_list>
#include <memory>

namespace kdbg::kvm::x86 {

class MicroGuest final : public SmallGuest {
public:
  static constexpr std::uint64_t code = 0x8000, data = 0x6000, stack = 0xf000, handler = 0x7000;
  static constexpr std::uint64_t read_only = memory_size; ///< a page that the guest cannot write
  static constexpr std::uint64_t mmio = 0x100000;         ///< mapped, but no memory

  /// Every vector's handler is a HLT. `irqchip`: with a local APIC, software-enabled.
  static Result<std::unique_ptr<MicroGuest>> create(Kernel& kernel, bool irqchip);

  /// New code, registers as at start; RFLAGS as given.
  Status load(std::initializer_list<unsigned> bytes, std::uint64_t rflags = 2);
  Status debug(std::uint32_t control, std::uint64_t address = 0, std::uint64_t dr7 = 0);
  /// The last exit was a debug exit of this exception number.
  bool stopped_by(std::uint32_t exception) const;
  DebugExit debug_exit() const { return debug_exit_as<DebugExit>(); }
  Result<Regs> regs() { return vcpu_->get<Regs>(get_regs); }
  Status send_interrupt(std::uint8_t vector);
  /// Puts a page at `read_only`, in rdi too.
  Status add_read_only_page();
  Status intercept(const Intercepts& wanted) { return x86::intercept(kernel_, vm_, wanted); }

private:
  using SmallGuest::SmallGuest;
  Status build(bool irqchip);
  void write_tables();
  Status enable_apic();

  Sregs initial_{};
};

} // namespace kdbg::kvm::x86
