#pragma once
/// What the small guests of the probes have in common: one vCPU, 64 KiB from physical 0. An
/// architecture derives its own. Knows no register.
#include "kvm/memory.hpp"
#include "kvm/vcpu.hpp"

#include <cstring>

namespace kdbg::kvm {

class SmallGuest {
public:
  static constexpr std::uint64_t memory_size = 0x10000;

  SmallGuest(const SmallGuest&) = delete;
  SmallGuest& operator=(const SmallGuest&) = delete;

  /// Instructions of 4 bytes. Instruction caches are told.
  Status put(std::uint64_t at, std::span<const std::uint32_t> instructions);
  Result<std::uint64_t> get(std::uint64_t id);
  Status set(std::uint64_t id, std::uint64_t value);
  /// KVM_RUN; false on EINTR.
  Result<bool> run();
  bool exited_by(std::uint32_t reason) const { return page().exit_reason == reason; }
  /// 8 bytes of memory.
  std::uint64_t word(std::uint64_t at) const;
  Vcpu& vcpu() { return *vcpu_; }
  kvm_run& page() const { return vcpu_->run_page(); }

protected:
  explicit SmallGuest(Kernel& kernel) : kernel_(kernel) {}
  ~SmallGuest();
  /// `type`: for KVM_CREATE_VM. `spare`: bytes of `memory_` behind the guest's, not yet its own.
  Status create_vm(std::uintptr_t type = 0, std::size_t spare = 0);
  Status create_vcpu();
  /// What came with a KVM_EXIT_DEBUG, in the architecture's structure.
  template <class T>
  T debug_exit_as() const {
    T out{};
    std::memcpy(&out, &page().debug, sizeof out);
    return out;
  }

  Kernel& kernel_;
  Fd kvm_ = Fd::none, vm_ = Fd::none;
  std::span<std::byte> memory_;
  std::unique_ptr<Vcpu> vcpu_;
};

/// The kernel's answer to KVM_CHECK_EXTENSION; 0 also where it fails.
Result<int> advertised(Kernel& kernel, unsigned long capability);

} // namespace kdbg::kvm
