#pragma once
/// The smallest arm64 guest that can ask KVM a question: one vCPU at EL1, 64 KiB of memory mapped
/// to itself with caches on, so that what is written here is what the guest sees. Used by the
/// probe.
#include "kvm/arch/arm64/abi.hpp"
#include "kvm/small_guest.hpp"

#include <initializer_list>
#include <memory>

namespace kdbg::kvm::arm64 {

class MicroGuest final : public SmallGuest {
public:
  static constexpr std::uint64_t table = 0x1000, vectors = 0x2000, data = 0x6000,
                                 first_code = 0x8000;
  static constexpr std::uint64_t mmio = 0x10000000; ///< mapped, but no memory
  static constexpr std::uint64_t el1h = 5, all_masked = 0x3c5;

  /// `features`: bits of VcpuInit::features[0].
  static Result<std::unique_ptr<MicroGuest>> create(Kernel& kernel, std::uint32_t features = 0);

  /// New code, at an address that no code had before; x0 as given, x2 `data`, x3 `mmio`. Behind it,
  /// and at every vector, a store to `mmio` and a branch to itself.
  Status load(std::initializer_list<std::uint32_t> code,
              std::uint64_t state = all_masked,
              std::uint64_t x0 = 0);
  std::uint64_t code() const { return code_; }
  Status debug(const GuestDebug& want) { return vcpu_->set(set_guest_debug, want); }
  Status debug(std::uint32_t control);
  /// KVM_RUN; false on EINTR.
  Result<bool> run();
  /// Ends the store that the last exit was for, if it was one.
  Status complete();
  /// The last exit was a debug exit of this cause, and pc is there.
  Result<bool> stopped(Cause cause, std::uint64_t pc);
  DebugExit debug_exit() const { return debug_exit_as<DebugExit>(); }
  /// The vCPU's IRQ input.
  Status interrupt(bool level);

private:
  using SmallGuest::SmallGuest;
  Status build(std::uint32_t features);
  Status switch_mmu_on();

  std::uint64_t code_ = 0, next_code_ = first_code;
};

} // namespace kdbg::kvm::arm64
