#pragma once
/// A PC: KVM's interrupt controllers and timer, a 16550, a CMOS, ports to reset, power off and
/// leave. No PCI, no disks.
#include "kvm/machine/board.hpp"
#include "kvm/machine/x86_64/cmos.hpp"
#include "kvm/machine/x86_64/serial.hpp"
#include "kvm/machine/x86_64/state.hpp"

#include <mutex>

namespace kdbg::kvm {

class Pc final : public Board {
public:
  explicit Pc(BoardParts parts);

  Result<std::vector<Region>> memory() const override;
  Result<unsigned long> vm_type(Fd) override { return 0ul; }
  Status begin(Fd kvm, Fd vm) override;
  Status add_vcpu(Vcpu& vcpu) override;
  Status complete() override { return Done{}; }
  Status save() override;
  Status save(Vcpu& vcpu) override;
  Status restore() override;
  Status restore(Vcpu& vcpu) override;
  Status load(Ram& ram) override;
  Status enter(Vcpu& vcpu) override;
  void receive(ByteView data) override { serial_.receive(data); }

  // devices.cpp: what an exit asks of the machine, and its sense of time
  std::optional<StopReason> serve(Vcpu& vcpu) override;
  void turn_back(std::chrono::nanoseconds pause) override;
  void turn_back(Vcpu& vcpu, std::chrono::nanoseconds pause) override;

private:
  std::optional<StopReason> port_access(kvm_run& run);
  std::optional<StopReason> port_write(std::uint16_t port, std::uint8_t value, std::uint8_t size);
  std::uint8_t port_read(std::uint16_t port);
  void memory_access(kvm_run& run);
  void raise(bool level);

  BoardParts parts_;
  Fd kvm_ = Fd::none, vm_ = Fd::none;
  Serial serial_;
  struct Counters { ///< test device: how often it was touched
    std::uint32_t port_writes = 0, reads = 0, writes = 0;
  };
  std::mutex mutex_; ///< guards the devices below
  Counters counters_;
  Cmos cmos_;
  MachineState pristine_;
};

} // namespace kdbg::kvm
