#include "kvm/machine/x86_64/state.hpp"

#include "kvm/arch/x86_64/abi.hpp"

#include <cstring>
#include <fmt/format.h>

namespace kdbg::kvm {
namespace {

/// A structure of KVM's, with the ioctls that read and write it.
struct Block {
  unsigned long get, set;
  std::size_t size;
  bool needs_irqchip;
};

// The order is the one of restoring: the interrupt controller after the registers that say where
// it is, pending events last because setting registers drops them.
constexpr Block blocks[] = {
    {x86::get_regs, x86::set_regs, sizeof(x86::Regs), false},
    {x86::get_xcrs, x86::set_xcrs, sizeof(x86::Xcrs), false},
    {x86::get_xsave, x86::set_xsave, sizeof(x86::Xsave), false},
    {x86::get_sregs, x86::set_sregs, sizeof(x86::Sregs), false},
    {x86::get_debugregs, x86::set_debugregs, sizeof(x86::DebugRegs), false},
    {x86::get_lapic, x86::set_lapic, x86::lapic_size, true},
    {KVM_GET_MP_STATE, KVM_SET_MP_STATE, sizeof(kvm_mp_state), true},
    {x86::get_events, x86::set_events, sizeof(x86::VcpuEvents), false},
};

// Those that survive INIT or that software sets up: SDM vol. 4, table 2-2; kvm_para.h.
constexpr std::uint32_t saved_msrs[] = {
    0x174,      0x175,      0x176,                  // SYSENTER
    0x1a0,      0x277,      0x2ff,                  // MISC_ENABLE, PAT, MTRR default
    0xc0000081, 0xc0000082, 0xc0000083, 0xc0000084, // STAR, LSTAR, CSTAR, SFMASK
    0xc0000102, 0xc0000103,                         // KERNEL_GS_BASE, TSC_AUX
    0x4b564d00, 0x4b564d01, 0x4b564d02, 0x4b564d03,
    0x4b564d04, // KVM clock, async #PF, steal time, EOI
    0x6e0,      // TSC_DEADLINE
};

/// A CPU without XSAVE answers with none, and KVM does not take that back.
bool has_no_xcrs(const Bytes& value) {
  x86::Xcrs xcrs;
  std::memcpy(&xcrs, value.data(), sizeof xcrs);
  return xcrs.count == 0;
}

} // namespace

Result<VcpuState> save(Vcpu& vcpu, bool irqchip) {
  VcpuState out;
  for (const Block& block : blocks) {
    Bytes value(block.size);
    if (!block.needs_irqchip || irqchip) TRY(vcpu.ioctl(block.get, value.data()));
    out.blocks.push_back(std::move(value));
  }
  for (const std::uint32_t msr : saved_msrs) {
    x86::OneMsr request;
    request.entry.index = msr;
    // a CPU model without this MSR answers 0 entries read: nothing to save
    if (TRY(vcpu.ioctl(x86::get_msrs, &request)) == 1) {
      out.msrs.emplace_back(msr, request.entry.data);
    }
  }
  return out;
}

Status restore(Vcpu& vcpu, const VcpuState& state, bool irqchip) {
  for (const auto& [msr, value] : state.msrs) {
    x86::OneMsr request;
    request.entry = {msr, 0, value};
    if (TRY(vcpu.ioctl(x86::set_msrs, &request)) != 1) {
      return Error{Code::kernel,
                   fmt::format("KVM refuses to restore MSR {:#x} to {:#x}", msr, value)};
    }
  }
  for (std::size_t i = 0; i < std::size(blocks); ++i) {
    if (blocks[i].needs_irqchip && !irqchip) continue;
    Bytes value = state.blocks[i];
    if (blocks[i].set == x86::set_xcrs && has_no_xcrs(value)) continue;
    TRY(vcpu.ioctl(blocks[i].set, value.data()));
  }
  return Done{};
}

Status save_chips(Kernel& kernel, Fd vm, bool irqchip, MachineState& state) {
  if (!irqchip) return Done{};
  for (std::uint32_t chip = 0; chip < x86::irqchips; ++chip) {
    Bytes value(sizeof(kvm_irqchip));
    std::memcpy(value.data(), &chip, sizeof chip);
    TRY(kernel.ioctl(vm, KVM_GET_IRQCHIP, value.data()));
    state.chips.push_back(std::move(value));
  }
  state.pit.resize(x86::pit_size);
  TRY(kernel.ioctl(vm, x86::get_pit2, state.pit.data()));
  return Done{};
}

Status restore_chips(Kernel& kernel, Fd vm, const MachineState& state) {
  for (Bytes chip : state.chips) {
    TRY(kernel.ioctl(vm, KVM_SET_IRQCHIP, chip.data()));
  }
  Bytes pit = state.pit;
  if (!pit.empty()) TRY(kernel.ioctl(vm, x86::set_pit2, pit.data()));
  return Done{};
}

} // namespace kdbg::kvm
