#pragma once
/// An arm64 machine: KVM's GIC, timers and PSCI, a PL011, a test device. RAM begins at 1 GiB. What
/// a kernel must know it finds in a device tree.
#include "kvm/arch/arm64/abi.hpp"
#include "kvm/machine/arm64/gic.hpp"
#include "kvm/machine/arm64/pl011.hpp"
#include "kvm/machine/board.hpp"

namespace kdbg::kvm {

class Virt final : public Board {
public:
  static constexpr std::uint64_t ram = 0x40000000, uart = 0x09000000, test_device = 0x0a000000,
                                 test_device_size = 0x1000;
  static constexpr std::uint32_t uart_interrupt = 1; ///< shared peripheral interrupt

  explicit Virt(BoardParts parts);

  Result<std::vector<Region>> memory() const override;
  Result<unsigned long> vm_type(Fd kvm) override;
  Status begin(Fd kvm, Fd vm) override;
  Status add_vcpu(Vcpu& vcpu) override;
  Status complete() override;
  Status save() override;
  Status save(Vcpu&) override { return Done{}; } // KVM makes a vCPU new by itself
  Status restore() override;
  Status restore(Vcpu& vcpu) override { return initialise(vcpu); }
  Status load(Ram& ram) override;
  Status enter(Vcpu& vcpu) override;
  std::optional<StopReason> serve(Vcpu& vcpu) override;
  void receive(ByteView data) override { uart_.receive(data); }
  void turn_back(std::chrono::nanoseconds) override {} // each vCPU has its own
  void turn_back(Vcpu& vcpu, std::chrono::nanoseconds pause) override;

private:
  Status initialise(Vcpu& vcpu);
  Bytes device_tree(std::uint64_t initrd) const;
  std::optional<StopReason> memory_access(kvm_run& run);
  std::uint64_t read_test_device(std::uint64_t offset);
  std::optional<StopReason> write_test_device(std::uint64_t offset, std::uint64_t value);
  void raise(bool level);

  BoardParts parts_;
  Fd vm_ = Fd::none;
  Gic gic_;
  Pl011 uart_;
  std::vector<std::uint64_t> affinities_; ///< of each vCPU, as MPIDR_EL1 has them
  std::uint64_t tree_ = 0;                ///< where the device tree is
  struct Counters {                       ///< test device: how often it was touched
    std::uint32_t reads = 0, writes = 0;
  };
  std::mutex mutex_; ///< guards `counters_`
  Counters counters_;
  Pl011::State pristine_;
};

} // namespace kdbg::kvm
