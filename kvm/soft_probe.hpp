#pragma once
/// The probe of a KVM that has breakpoint instructions and no other means of debugging (LoongArch,
/// RISC-V). Knows no instruction and no register.
#include "kvm/questions.hpp"
#include "kvm/small_guest.hpp"
#include "kvm/soft_cpu.hpp"

#include <functional>

namespace kdbg::kvm {

class SoftGuest final : public SmallGuest {
public:
  static constexpr std::uint64_t code = 0x8000, handler = 0x9000;
  static constexpr std::uint64_t mmio = 0x100000; ///< no memory is there: a store exits

  static Result<std::unique_ptr<SoftGuest>> create(Kernel& kernel);
  /// 0 for none of it.
  Status debug(std::uint32_t control) {
    return vcpu_->set(set_plain_guest_debug, PlainGuestDebug{control});
  }

private:
  using SmallGuest::SmallGuest;
};

/// What the kernel says there is, then the questions, then what such a KVM lacks in any case.
Result<HostFacts>
soft_probe(Kernel& kernel, std::string_view arch, std::span<const Question<SoftGuest>> questions);

/// Notes what KVM's own step does, of which no use is made. `stops`, asked with the step armed: of
/// two instructions and a breakpoint, does the vCPU stop after the first? `breakpoint`: its name.
Status note_step(SoftGuest& guest,
                 HostFacts& facts,
                 std::string_view arch,
                 std::string_view breakpoint,
                 const std::function<Result<bool>()>& stops);

} // namespace kdbg::kvm
