#pragma once
/// KVM's one-register interface with a memory: each register costs an ioctl, so what was read
/// stays known until the vCPU runs again. Writes go to KVM at once.
#include "kvm/arch/arm64/abi.hpp"
#include "kvm/vcpu.hpp"

namespace kdbg::kvm::arm64 {

class OneRegs {
public:
  explicit OneRegs(Vcpu& vcpu) : vcpu_(vcpu) {}

  /// The vCPU has run. `mapped`: not through an instruction that could write a system register, so
  /// those that say where memory and vectors are still stand: hardware never changes them by
  /// itself.
  void forget(bool mapped);
  bool known(std::uint64_t id) const;
  /// unsupported: this vCPU has no such register.
  Result<std::uint64_t> get(std::uint64_t id);
  Status set(std::uint64_t id, std::uint64_t value);
  /// Of any width, not remembered; little-endian.
  Result<Bytes> get_bytes(std::uint64_t id);
  Status set_bytes(std::uint64_t id, Bytes value);

private:
  struct Known {
    std::uint64_t id = 0, value = 0;
  };
  const Known* find(std::uint64_t id) const;
  Vcpu& vcpu_;
  std::vector<Known> known_;
};

} // namespace kdbg::kvm::arm64
