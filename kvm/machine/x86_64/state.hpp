#pragma once
/// The state of vCPUs and in-kernel devices as values: saved whole, restored whole.
#include "adapter/result.hpp"
#include "kvm/machine/x86_64/cmos.hpp"
#include "kvm/machine/x86_64/serial.hpp"
#include "kvm/vcpu.hpp"

namespace kdbg::kvm {

/// One vCPU: KVM's structures in the order in which they must be restored.
struct VcpuState {
  std::vector<Bytes> blocks;
  std::vector<std::pair<std::uint32_t, std::uint64_t>> msrs;
};

struct MachineState {
  std::vector<VcpuState> vcpus;
  std::vector<Bytes> chips; ///< PIC master, slave, IOAPIC; empty without an irqchip
  Bytes pit;
  Serial::State serial;
  Cmos::State cmos;
};

/// On the vCPU's own thread.
Result<VcpuState> save(Vcpu& vcpu, bool irqchip);
Status restore(Vcpu& vcpu, const VcpuState& state, bool irqchip);

/// Interrupt controllers and timer of a VM. Nothing without an irqchip.
Status save_chips(Kernel& kernel, Fd vm, bool irqchip, MachineState& state);
Status restore_chips(Kernel& kernel, Fd vm, const MachineState& state);

} // namespace kdbg::kvm
