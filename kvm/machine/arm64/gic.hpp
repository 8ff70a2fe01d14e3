#pragma once
/// KVM's interrupt controller: a GICv3 where the host can give one, else a GICv2
/// (Documentation/virt/kvm/devices/arm-vgic-v3.rst, arm-vgic.rst).
#include "kvm/kernel.hpp"

namespace kdbg::kvm {

class Gic {
public:
  static constexpr std::uint64_t distributor = 0x08000000, cpu_interface = 0x08010000,
                                 redistributors = 0x080a0000, redistributor_size = 0x20000;
  static constexpr std::uint32_t interrupts = 96; ///< of all kinds
  static constexpr std::size_t most_v2 = 8;       ///< vCPUs that a GICv2 serves

  explicit Gic(Kernel& kernel) : kernel_(kernel) {}
  ~Gic();
  Gic(const Gic&) = delete;
  Gic& operator=(const Gic&) = delete;

  /// Before the vCPUs.
  Status create(Fd vm, std::size_t vcpus);
  /// After them.
  Status complete(std::size_t vcpus);
  /// As it came out of `complete`. `affinities`: MPIDR_EL1's fields of each vCPU.
  Status reset(std::span<const std::uint64_t> affinities);
  unsigned version() const { return version_; }

private:
  Status set(std::uint32_t group, std::uint64_t attribute, std::uint64_t value);
  Status set_register(std::uint32_t group, std::uint64_t attribute, std::uint32_t value);
  Status reset_shared(std::uint64_t affinity);
  Status reset_private(std::uint64_t affinity);

  Kernel& kernel_;
  Fd device_ = Fd::none;
  unsigned version_ = 0;
};

} // namespace kdbg::kvm
