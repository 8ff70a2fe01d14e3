#pragma once
/// A vCPU whose single steps a test carries out: it plays the CPU's part between begin_step and
/// end_step.
#include "tests/arch_contract/x86_rig.hpp"

namespace kdbg::test {

inline constexpr std::uint64_t flags_without = 0x246; ///< TF is clear

struct StepRig : X86Rig {
  explicit StepRig(kvm::x86::CodeMode code_mode, const kvm::HostFacts& given = all_works())
      : X86Rig(given),
        width(code_mode == kvm::x86::CodeMode::bits64   ? 8u
              : code_mode == kvm::x86::CodeMode::bits32 ? 4u
                                                        : 2u) {
    regs().rip = 0x100;
    regs().rflags = flags_without;
    mode(code_mode);
  }
  std::size_t width;
  /// Linear address of the stack's top.
  std::uint64_t top() { return (sregs().cs.l != 0 ? 0 : sregs().ss.base) + regs().rsp; }
  void guest_steps_itself() {
    regs().rflags |= kvm::x86::flag_tf;
    cpu->exited();
  }
  void begin() {
    auto plan = cpu->begin_step();
    REQUIRE(plan);
    CHECK_FALSE(plan->done);
    REQUIRE(cpu->arm({.step = true}));
    regs().rflags &= ~kvm::x86::flag_tf; // KVM hides it
  }
  bool end() {
    cpu->exited();
    auto complete = cpu->end_step();
    REQUIRE(complete);
    return *complete;
  }
  bool guest_tf() { return (read("eflags") & kvm::x86::flag_tf) != 0; }
  /// Disarms; is the guest given a #DB of its own for the step?
  bool owed() {
    REQUIRE(cpu->arm({}));
    const auto& events = kernel.events(fd);
    return events.exception.pending != 0 && events.exception.nr == 1 &&
           events.exception_payload == kvm::x86::dr6_bs;
  }
};

} // namespace kdbg::test
