// Rules of KVM's debugging interface that the engine relies on, asked of the real /dev/kvm by a
// guest of a few bytes. Usage: kvm_rules RULE; prints PASS, SKIP why or FAIL why.
#include "kvm/arch/x86_64/micro_guest.hpp"
#include "tests/live/forwarding_kernel.hpp"

#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace kdbg;
using namespace kdbg::kvm;
using namespace kdbg::kvm::x86;

namespace {

constexpr unsigned nop = 0x90;
constexpr std::uint64_t general_detect = 1u << 13, dr6_bd = 1u << 13;

/// The real kernel; remembers the latest file descriptors.
class KnownKernel final : public test::ForwardingKernel {
public:
  Result<Fd> open_kvm() override {
    kvm = TRY(ForwardingKernel::open_kvm());
    return kvm;
  }
  Result<int> ioctl(Fd fd, unsigned long request, void* argument) override {
    auto answer = ForwardingKernel::ioctl(fd, request, argument);
    if (answer && request == KVM_CREATE_VM) vm = Fd{*answer};
    if (answer && request == KVM_CREATE_VCPU) vcpu = Fd{*answer};
    return answer;
  }

  Fd kvm = Fd::none, vm = Fd::none, vcpu = Fd::none;
};

/// Empty: the rule holds. A Code::unsupported error: this host cannot show it.
using Verdict = Result<std::string>;
const std::string holds;

struct Rig {
  KnownKernel& kernel;
  MicroGuest& guest;
};

/// HLT at the end of the code, or at the handler.
Verdict halted_at(MicroGuest& guest, std::uint64_t after_halt) {
  if (guest.page().exit_reason != KVM_EXIT_HLT) {
    return fmt::format("exit reason {}, not HLT", guest.page().exit_reason);
  }
  const std::uint64_t rip = TRY(guest.regs()).rip;
  return rip == after_halt ? holds : fmt::format("halted at {:#x}, not {:#x}", rip, after_halt);
}

/// An injected #BP is lost when registers are written after it, and not when before.
Verdict inject_then_registers(Rig rig) {
  for (const bool registers_last : {true, false}) {
    TRY(rig.guest.load({nop, nop}));
    const Regs regs = TRY(rig.guest.regs());
    if (!registers_last) TRY(rig.guest.vcpu().set(set_regs, regs));
    TRY(rig.guest.debug(debug_inject_bp));
    if (registers_last) TRY(rig.guest.vcpu().set(set_regs, regs));
    TRY(rig.guest.debug(0));
    TRY(rig.guest.run());
    auto where = TRY(
        halted_at(rig.guest, (registers_last ? MicroGuest::code + 2 : MicroGuest::handler) + 1));
    if (!where.empty())
      return fmt::format("registers {}: {}", registers_last ? "last" : "first", where);
  }
  return holds;
}

/// A second injection while one is pending is refused with EBUSY.
Verdict inject_twice(Rig rig) {
  TRY(rig.guest.load({nop}));
  TRY(rig.guest.debug(debug_inject_bp));
  const Status again = rig.guest.debug(debug_inject_bp);
  if (again) return std::string("a second injection was taken");
  return again.error().sys_errno == EBUSY ? holds : "refused with " + again.error().what;
}

/// The guest's own DR7.GD: #DB with BD in DR6 at the access, which is not done, and no exit.
Verdict own_general_detect(Rig rig) {
  TRY(rig.guest.load({0x0f, 0x23, 0xf8, 0x0f, 0x21, 0xc1})); // mov dr7, rax; mov rcx, dr0
  Regs regs = TRY(rig.guest.regs());
  regs.rax = 0x400 | general_detect;
  regs.rcx = 0x1234;
  TRY(rig.guest.vcpu().set(set_regs, regs));
  TRY(rig.guest.run());
  auto where = TRY(halted_at(rig.guest, MicroGuest::handler + 1));
  if (!where.empty()) return where;
  if (TRY(rig.guest.regs()).rcx != 0x1234) return std::string("the access was done");
  const auto own = TRY(rig.guest.vcpu().get<DebugRegs>(get_debugregs));
  if (rig.guest.word(MicroGuest::stack - 40) != MicroGuest::code + 3) {
    return fmt::format("pushed rip {:#x}", rig.guest.word(MicroGuest::stack - 40));
  }
  return (own.dr6 & dr6_bd) != 0 ? holds : fmt::format("dr6 is {:#x}", own.dr6);
}

/// The debugger's DR7.GD: a debug exit with BD at the instruction.
Verdict host_general_detect(Rig rig) {
  TRY(rig.guest.load({0x0f, 0x21, 0xc1})); // mov rcx, dr0
  TRY(rig.guest.debug(debug_use_hw_bp, 0, 0x400 | general_detect));
  TRY(rig.guest.run());
  if (rig.guest.page().exit_reason == KVM_EXIT_HLT) {
    return Error{Code::unsupported,
                 "KVM ignores the debugger's DR7.GD where it emulates the guest"};
  }
  if (!rig.guest.stopped_by(1)) return fmt::format("exit {}", rig.guest.page().exit_reason);
  const DebugExit exit = rig.guest.debug_exit();
  if ((exit.dr6 & dr6_bd) == 0) return fmt::format("dr6 is {:#x}", exit.dr6);
  return exit.pc == MicroGuest::code ? holds : fmt::format("pc is {:#x}", exit.pc);
}

/// Registers come with an exit when asked for, go in when marked, and unknown sets are refused.
Verdict synchronised_registers(Rig rig) {
  const int known =
      TRY(rig.kernel.ioctl(rig.kernel.vm, KVM_CHECK_EXTENSION, integer(KVM_CAP_SYNC_REGS)));
  if ((known & 1) == 0) return Error{Code::unsupported, "no KVM_CAP_SYNC_REGS"};
  TRY(rig.guest.load({0x48, 0xff, 0xc0})); // inc rax
  kvm_run& page = rig.guest.page();
  Regs regs = TRY(rig.guest.regs());
  regs.rax = 41;
  std::memcpy(&page.s, &regs, sizeof regs);
  page.kvm_valid_regs = page.kvm_dirty_regs = 1;
  TRY(rig.guest.run());
  std::memcpy(&regs, &page.s, sizeof regs);
  const bool clean = page.kvm_dirty_regs == 0;
  page.kvm_valid_regs = 1u << 31;
  const auto refused = rig.guest.vcpu().run();
  page.kvm_valid_regs = 0;
  page.kvm_dirty_regs = 1u << 31;
  const auto also_refused = rig.guest.vcpu().run();
  page.kvm_dirty_regs = 0;
  if (regs.rax != 42) return fmt::format("rax is {} after inc of 41", regs.rax);
  if (!clean) return std::string("kvm_dirty_regs stays set");
  if (refused || also_refused) return std::string("an unknown set is taken");
  return refused.error().sys_errno == EINVAL && also_refused.error().sys_errno == EINVAL
             ? holds
             : std::string("unknown sets are not refused with EINVAL");
}

/// The guest's DR6 after a watch of its own: that watch's bit, no step, and nothing armed for it
/// here.
Verdict stale_debug_bits(Rig rig) {
  constexpr std::uint64_t fixed = 0xffff0ff0, b1 = 2, b2 = 4, step = 1u << 14;
  TRY(rig.guest.load({0x89, 0x03, nop})); // mov %eax, (%rbx)
  auto own = TRY(rig.guest.vcpu().get<DebugRegs>(get_debugregs));
  own.db[2] = MicroGuest::data;
  own.dr6 = fixed | b1; // nobody cleared it
  own.dr7 = 0x402 | 0x10 | 0xdull << 24;
  TRY(rig.guest.vcpu().set(set_debugregs, own));
  TRY(rig.guest.run());
  if (rig.guest.page().exit_reason == KVM_EXIT_HLT &&
      TRY(rig.guest.regs()).rip == MicroGuest::code + 4) {
    return Error{Code::unsupported, "this host's KVM has no data watchpoints"};
  }
  auto where = TRY(halted_at(rig.guest, MicroGuest::handler + 1));
  if (!where.empty()) return where;
  const std::uint64_t dr6 = TRY(rig.guest.vcpu().get<DebugRegs>(get_debugregs)).dr6;
  if ((dr6 & b2) == 0 || (dr6 & step) != 0 || (dr6 & ~b1) != (fixed | b2)) {
    return fmt::format("DR6 is {:#x}", dr6);
  }
  return holds;
}

/// Control bits that KVM does not know are refused, or mean nothing.
Verdict unknown_control_bits(Rig rig) {
  for (unsigned bit = 21; bit < 32; ++bit) {
    TRY(rig.guest.load({nop, nop}));
    const Status set = rig.guest.debug(1u << bit);
    if (!set && set.error().sys_errno != EINVAL) return "refused with " + set.error().what;
    if (!set) continue;
    TRY(rig.guest.run());
    auto where = TRY(halted_at(rig.guest, MicroGuest::code + 3));
    if (!where.empty()) return fmt::format("bit {}: {}", bit, where);
    TRY(rig.guest.debug(0));
  }
  return holds;
}

/// A vCPU made after another was armed has nothing of it: each one is to be armed by itself.
Verdict added_vcpu(Rig rig) {
  TRY(rig.guest.load({nop, nop}));
  TRY(rig.guest.debug(debug_single_step));
  const Sregs state = TRY(rig.guest.vcpu().get<Sregs>(get_sregs));
  const Regs start = TRY(rig.guest.regs());
  const Fd fd{TRY(rig.kernel.ioctl(rig.kernel.vm, KVM_CREATE_VCPU, integer(1)))};
  const int size = TRY(rig.kernel.ioctl(rig.kernel.kvm, KVM_GET_VCPU_MMAP_SIZE, nullptr));
  Vcpu added(rig.kernel, fd, VcpuId{1},
             TRY(rig.kernel.map_run(fd, static_cast<std::size_t>(size))));
  TRY(added.set(set_sregs, state));
  TRY(added.set(set_regs, start));
  TRY(added.run());
  if (added.run_page().exit_reason != KVM_EXIT_HLT) return std::string("it was armed at once");
  GuestDebug step{};
  step.control = debug_enable | debug_single_step;
  TRY(added.set(set_regs, start));
  TRY(added.set(set_guest_debug, step));
  TRY(added.run());
  return added.run_page().exit_reason == KVM_EXIT_DEBUG ? holds : std::string("it does not step");
}

/// A vCPU's ioctls belong to the process that made it: EIO for any other.
Verdict another_process(Rig rig) {
  const pid_t child = ::fork();
  if (child < 0) return Error{Code::kernel, "fork failed", errno};
  if (child == 0) {
    Regs regs{};
    const auto answer = rig.kernel.ioctl(rig.kernel.vcpu, get_regs, &regs);
    ::_exit(answer ? 0 : answer.error().sys_errno);
  }
  int status = 0;
  if (::waitpid(child, &status, 0) != child || !WIFEXITED(status)) return std::string("no status");
  return WEXITSTATUS(status) == EIO ? holds : fmt::format("errno {}", WEXITSTATUS(status));
}

/// What the exits of a vCPU in system management mode say of it.
Verdict system_management(Rig rig) {
#ifdef KVM_RUN_X86_SMM
  if (TRY(rig.kernel.ioctl(rig.kernel.vm, KVM_CHECK_EXTENSION, integer(KVM_CAP_X86_SMM))) == 0) {
    return Error{Code::unsupported, "this host's KVM has no system management mode"};
  }
  TRY(rig.guest.load({nop}));
  TRY(rig.guest.debug(debug_single_step));
  if (auto sent = rig.guest.vcpu().ioctl(KVM_SMI, nullptr); !sent) {
    return Error{Code::unsupported, "KVM_SMI: " + sent.error().what};
  }
  ignore(rig.guest.run()); // no memory at SMBASE: what counts is the flag
  if ((rig.guest.page().flags & KVM_RUN_X86_SMM) != 0) return holds;
  return Error{Code::unsupported, fmt::format("no exit from system management mode: exit reason {}",
                                              rig.guest.page().exit_reason)};
#else
  (void)rig;
  return Error{Code::unsupported, "these kernel headers know no KVM_RUN_X86_SMM"};
#endif
}

struct KvmRule {
  std::string_view name;
  Verdict (*ask)(Rig);
};
constexpr KvmRule rules[] = {
    {"inject_then_registers", &inject_then_registers},
    {"inject_twice", &inject_twice},
    {"own_general_detect", &own_general_detect},
    {"host_general_detect", &host_general_detect},
    {"synchronised_registers", &synchronised_registers},
    {"stale_debug_bits", &stale_debug_bits},
    {"unknown_control_bits", &unknown_control_bits},
    {"added_vcpu", &added_vcpu},
    {"another_process", &another_process},
    {"system_management", &system_management},
};

Verdict ask(const KvmRule& rule) {
  KnownKernel kernel;
  auto guest = TRY(MicroGuest::create(kernel, false));
  return rule.ask({kernel, *guest});
}

} // namespace

int main(int argc, char** argv) {
  for (const KvmRule& rule : rules) {
    if (argc != 2 || rule.name != argv[1]) continue;
    const auto verdict = ask(rule);
    if (verdict && (*verdict).empty()) {
      fmt::print("PASS\n");
    } else if (!verdict && verdict.error().code == Code::unsupported) {
      fmt::print("SKIP {}\n", verdict.error().what);
    } else {
      fmt::print("FAIL {}\n", verdict ? *verdict : verdict.error().what);
    }
    return 0;
  }
  fmt::print("FAIL usage: kvm_rules RULE\n");
  return 2;
}
