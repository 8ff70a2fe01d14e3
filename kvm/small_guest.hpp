#pragma once
/// The smallest guest that can ask KVM a question on an architecture with 4-byte instructions: one
/// vCPU, 64 KiB from physical 0, no paging. Used by probes. Knows no register.
#include "kvm/memory.hpp"
#include "kvm/soft_cpu.hpp"
#include "kvm/vcpu.hpp"

namespace kdbg::kvm {

class SmallGuest {
public:
  static constexpr std::uint64_t memory_size = 0x10000, code = 0x8000, handler = 0x9000;
  static constexpr std::uint64_t mmio = 0x100000; ///< no memory is there: a store exits

  static Result<std::unique_ptr<SmallGuest>> create(Kernel& kernel);
  ~SmallGuest();
  SmallGuest(const SmallGuest&) = delete;
  SmallGuest& operator=(const SmallGuest&) = delete;

  Status put(std::uint64_t at, std::span<const std::uint32_t> instructions);
  /// 0 for none of it.
  Status debug(std::uint32_t control);
  Result<std::uint64_t> get(std::uint64_t id);
  Status set(std::uint64_t id, std::uint64_t value);
  /// KVM_RUN; false on EINTR.
  Result<bool> run();
  bool exited_by(std::uint32_t reason) const { return vcpu_->run_page().exit_reason == reason; }
  Vcpu& vcpu() { return *vcpu_; }

private:
  explicit SmallGuest(Kernel& kernel) : kernel_(kernel) {}
  Status build();

  Kernel& kernel_;
  Fd kvm_ = Fd::none, vm_ = Fd::none;
  std::span<std::byte> memory_;
  std::unique_ptr<Vcpu> vcpu_;
};

/// The kernel's answer to KVM_CHECK_EXTENSION; 0 also where it fails.
Result<int> advertised(Kernel& kernel, unsigned long capability);

} // namespace kdbg::kvm
