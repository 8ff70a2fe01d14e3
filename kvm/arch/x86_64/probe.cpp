#include "kvm/arch/x86_64/probe.hpp"

#include "kvm/arch/x86_64/micro_guest.hpp"
#include "kvm/questions.hpp"
#include "kvm/watchdog.hpp"

#include <chrono>
#include <cstring>
#include <fmt/format.h>

namespace kdbg::kvm::x86 {
namespace {

constexpr std::uint64_t dr7_exec_0 = 0x602, dr7_write4_0 = 0x602 | 0xdull << 16;
constexpr unsigned nop = 0x90;

using Clock = std::chrono::steady_clock;
double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Runs, and again as long as a step's trap comes before its instruction: true when one did.
Result<bool> run_step(MicroGuest& guest) {
  constexpr unsigned most = 32; // pages that one instruction and its walks can find missing
  const std::uint64_t start = TRY(guest.regs()).rip;
  for (unsigned early = 0; early < most; ++early) {
    TRY(guest.run());
    if (!guest.stopped_by(1) || TRY(guest.regs()).rip != start) return early != 0;
  }
  return true;
}

/// Lets a trap that lingers come, so that the next question does not get it.
Status settle(MicroGuest& guest, const HostFacts& facts) {
  if (facts.step_trap_lingers) {
    TRY(guest.load({nop, nop}));
    TRY(guest.debug(debug_single_step));
    TRY(run_step(guest));
  }
  return guest.debug(0);
}

Status ask_step(MicroGuest& guest, HostFacts& facts) {
  TRY(guest.load({nop, nop, nop, nop}));
  TRY(guest.debug(debug_single_step));
  bool persists = true;
  for (std::uint64_t n = 1; n <= 3; ++n) { // armed once: does it hold?
    if (TRY(run_step(guest))) facts.step_trap_lingers = true;
    if (!guest.stopped_by(1) || TRY(guest.regs()).rip != MicroGuest::code + n) {
      if (n == 1) return Done{};
      persists = false;
      break;
    }
    facts.single_step = true;
  }
  facts.rearm_step = !persists;
  return Done{};
}

Status ask_int3(MicroGuest& guest, HostFacts& facts) {
  TRY(guest.load({nop, 0xcc}));
  TRY(guest.debug(debug_use_sw_bp));
  TRY(guest.run());
  const bool at_it = TRY(guest.regs()).rip == MicroGuest::code + 1;
  facts.breakpoint_exit = guest.stopped_by(3) && at_it;
  facts.breakpoint_internal_error = guest.page().exit_reason == KVM_EXIT_INTERNAL_ERROR &&
                                    guest.page().internal.suberror == 1 && at_it;
  return Done{};
}

Status ask_exec(MicroGuest& guest, HostFacts& facts) {
  TRY(guest.load({nop, nop, nop}));
  TRY(guest.debug(debug_use_hw_bp, MicroGuest::code + 1, dr7_exec_0));
  TRY(guest.run());
  facts.exec_slots = facts.watch_slots = 4; // DR0 to DR3
  facts.hardware_exec = guest.stopped_by(1) && TRY(guest.regs()).rip == MicroGuest::code + 1;
  if (!facts.hardware_exec) return Done{};
  TRY(guest.run());
  facts.resume_flag_ignored = guest.stopped_by(1) && TRY(guest.regs()).rip == MicroGuest::code + 1;
  return Done{};
}

Status ask_watch(MicroGuest& guest, HostFacts& facts) {
  TRY(guest.load({0x89, 0x03, nop})); // mov %eax, (%rbx)
  TRY(guest.debug(debug_use_hw_bp, MicroGuest::data, dr7_write4_0));
  TRY(guest.run());
  facts.data_watch = guest.stopped_by(1) && TRY(guest.regs()).rip == MicroGuest::code + 2;
  return Done{};
}

/// Does the trap of a stepped instruction that userspace completes arrive?
Result<bool> squashed(MicroGuest& guest) {
  TRY(guest.debug(debug_single_step));
  TRY(run_step(guest));
  if (guest.stopped_by(1)) return false;
  guest.page().exit_reason = KVM_EXIT_UNKNOWN;
  guest.page().immediate_exit = 1;
  TRY(guest.run());
  guest.page().immediate_exit = 0;
  return !guest.stopped_by(1);
}

Status ask_completions(MicroGuest& guest, HostFacts& facts) {
  TRY(guest.load({0xe6, 0x80, nop})); // out %al, $0x80
  facts.out_step_squashed = TRY(squashed(guest));
  TRY(settle(guest, facts));
  TRY(guest.load({0x89, 0x02, nop})); // mov %eax, (%rdx): no memory there
  facts.mmio_step_squashed = TRY(squashed(guest));
  return Done{};
}

/// Does a write to a read-only slot exit undone, with pc after it, and does a read not exit?
Status ask_write_protection(MicroGuest& guest, HostFacts& facts) {
  if (!facts.readonly_memory) return Done{};
  TRY(guest.add_read_only_page());
  TRY(guest.load(
      {0x8b, 0x07, 0xff, 0xc0, 0x89, 0x07})); // mov (%rdi), %eax; inc %eax; mov %eax, (%rdi)
  TRY(guest.run());
  const auto& exit = guest.page();
  const bool wrote = exit.exit_reason == KVM_EXIT_MMIO && exit.mmio.is_write != 0 &&
                     exit.mmio.phys_addr == MicroGuest::read_only && exit.mmio.len == 4;
  const bool undone = guest.word(MicroGuest::read_only) == 0 && exit.mmio.data[0] == 1;
  TRY(guest.run());
  facts.write_protect = wrote && undone && exit.exit_reason == KVM_EXIT_HLT;
  return Done{};
}

/// Do accesses to a chosen MSR, and hypercalls, come to us? Advertised is not enough to know.
Status ask_intercepts(MicroGuest& guest, HostFacts& facts) {
  constexpr std::uint32_t sysenter_cs = 0x174;
  constexpr unsigned map_range = 12; // KVM_HC_MAP_GPA_RANGE, the only one that KVM hands over
  if (!guest.intercept({{{sysenter_cs, 1}}, 0})) return Done{};
  TRY(guest.load({0xb9, 0x74, 0x01, 0, 0, 0x0f, 0x32})); // mov $0x174, %ecx; rdmsr
  TRY(guest.run());
  facts.register_exits =
      guest.page().exit_reason == KVM_EXIT_X86_RDMSR && guest.page().msr.index == sysenter_cs;
  if (!guest.intercept({{}, 1u << map_range})) return Done{};
  TRY(guest.load({0xb8, map_range, 0, 0, 0, 0x0f, 0x01, 0xd9})); // mov $12, %eax; vmmcall
  TRY(guest.run());
  const auto& exit = guest.page();
  if (exit.exit_reason == KVM_EXIT_HYPERCALL && exit.hypercall.nr == map_range) {
    facts.hypercall_exits = 1u << map_range;
  }
  return Done{};
}

Status ask_injection(MicroGuest& guest, HostFacts& facts) {
  TRY(guest.load({0xcc, nop}));
  if (facts.breakpoint_exit) { // from it KVM takes the length that makes the pushed pc
    TRY(guest.debug(debug_use_sw_bp));
    TRY(guest.run());
  }
  TRY(guest.debug(debug_inject_bp));
  TRY(guest.run());
  if (guest.page().exit_reason != KVM_EXIT_HLT) {
    facts.notes.emplace_back("an injected #BP did not reach the guest's handler");
    return Done{};
  }
  facts.breakpoint_pc_stays = guest.word(TRY(guest.regs()).rsp) == MicroGuest::code;
  return guest.debug(0);
}

Status ask_pushf(MicroGuest& guest, HostFacts& facts) {
  TRY(guest.load({0x9c, nop}));
  TRY(guest.debug(debug_single_step));
  TRY(run_step(guest));
  facts.pushf_shows_trap_flag = (guest.word(MicroGuest::stack - 8) & flag_tf) != 0;
  // A CPU steps by TF; KVM's emulator looks at guest_debug instead, at any speed.
  facts.emulated = facts.single_step && !facts.pushf_shows_trap_flag;
  return guest.debug(0);
}

Status ask_speed(MicroGuest& guest, HostFacts& facts) {
  constexpr unsigned iterations = 0x4000, steps = 256;
  TRY(guest.debug(0));
  TRY(guest.load(
      {0xb9, iterations & 0xff, iterations >> 8, 0, 0, 0xff, 0xc9, 0x75, 0xfc})); // dec %ecx; jnz
  auto start = Clock::now();
  TRY(guest.run());
  facts.loops_per_second = iterations / seconds_since(start);
  if (!facts.single_step) return Done{};
  TRY(guest.load({0xeb, 0xfe})); // jmp to itself
  start = Clock::now();
  for (unsigned i = 0; i < steps; ++i) {
    if (i == 0 || facts.rearm_step) TRY(guest.debug(debug_single_step));
    TRY(guest.run());
  }
  facts.steps_per_second = steps / seconds_since(start);
  return guest.debug(0);
}

Status ask_interrupts(Kernel& kernel, HostFacts& facts) {
  if ((facts.debug_flags & debug_block_irq) == 0) return Done{};
  auto guest = TRY(MicroGuest::create(kernel, true));
  const Watchdog watchdog(kernel, &guest->page().immediate_exit, std::chrono::seconds(1));
  TRY(guest->load({nop, nop}, 2 | flag_if));
  TRY(guest->send_interrupt(0x30));
  TRY(guest->debug(debug_single_step | debug_block_irq));
  TRY(run_step(*guest));
  facts.block_interrupts = guest->stopped_by(1) && TRY(guest->regs()).rip == MicroGuest::code + 1;
  return Done{};
}

Status read_advertised(Kernel& kernel, HostFacts& facts) {
  const Fd kvm = TRY(kernel.open_kvm());
  const auto check = [&](unsigned long capability) {
    auto answer = kernel.ioctl(kvm, KVM_CHECK_EXTENSION, integer(capability));
    return answer ? *answer : 0;
  };
  facts.guest_debug = check(KVM_CAP_SET_GUEST_DEBUG) != 0;
  facts.debug_flags = static_cast<std::uint32_t>(check(KVM_CAP_SET_GUEST_DEBUG2));
  const auto synchronised = static_cast<std::uint64_t>(check(KVM_CAP_SYNC_REGS));
  facts.sync_registers = (synchronised & (sync_regs | sync_sregs)) == (sync_regs | sync_sregs);
  facts.exception_payload = check(KVM_CAP_EXCEPTION_PAYLOAD) != 0;
  facts.readonly_memory = check(KVM_CAP_READONLY_MEM) != 0;
  if (auto cpuid = std::make_unique<Cpuid>(); kernel.ioctl(kvm, get_supported_cpuid, cpuid.get())) {
    facts.xsave = read_xsave_layout(*cpuid, static_cast<std::uint32_t>(check(cap_xsave2)));
  } else {
    facts.notes.emplace_back("the guests' CPUID could not be read: no AVX-512 registers, no PKRU");
  }
  kernel.close(kvm);
  return Done{};
}

} // namespace

XsaveLayout read_xsave_layout(const Cpuid& cpuid, std::uint32_t area_bytes) {
  constexpr std::uint32_t leaf = 0xd; // SDM vol. 1, 13.2: eax size, ebx offset of component ecx
  XsaveLayout layout;
  layout.bytes = std::max(layout.bytes, area_bytes);
  const auto* end = cpuid.entries + std::min<std::size_t>(cpuid.count, std::size(cpuid.entries));
  const auto subleaf = [&](std::uint32_t number) {
    return std::find_if(cpuid.entries, end, [&](const CpuidEntry& entry) {
      return entry.function == leaf && entry.index == number;
    });
  };
  const auto* allowed = subleaf(0); // eax: the low half of XCR0's bits
  const auto offset = [&](unsigned component, std::uint32_t size) -> std::uint32_t {
    const auto* found = subleaf(component);
    if (allowed == end || (allowed->eax >> component & 1) == 0 || found == end) return 0;
    const bool fits =
        found->eax >= size && found->ebx < layout.bytes && size <= layout.bytes - found->ebx;
    return fits ? found->ebx : 0;
  };
  layout.opmask = offset(5, 8 * 8);
  layout.zmm_high = offset(6, 16 * 32);
  layout.zmm_upper = offset(7, 16 * 64);
  layout.pkru = offset(9, 4);
  return layout;
}

namespace {

constexpr Question<MicroGuest> questions[] = {{"single step", ask_step},
                                              {"int3", ask_int3},
                                              {"hardware breakpoint", ask_exec},
                                              {"data watchpoint", ask_watch},
                                              {"stepped I/O", ask_completions},
                                              {"read-only memory", ask_write_protection},
                                              {"intercepts", ask_intercepts},
                                              {"injected #BP", ask_injection},
                                              {"pushf", ask_pushf},
                                              {"speed", ask_speed}};

Status ask_everything(Kernel& kernel, HostFacts& facts) {
  auto guest = TRY(MicroGuest::create(kernel, false));
  return ask_all<MicroGuest>(kernel, *guest, questions, facts,
                             [&](MicroGuest& settled) { return settle(settled, facts); });
}

void explain(HostFacts& facts) {
  if (facts.emulated) {
    facts.notes.emplace_back("guest code runs in KVM's instruction emulator (as under kvm_pvm): "
                             "slow, and some traps never come");
  }
  if (facts.step_trap_lingers) {
    facts.notes.emplace_back("a step that is interrupted by an exit traps too early (an emulated "
                             "VMX): such traps are told by the pc and dropped");
  }
  if (!facts.single_step) facts.notes.emplace_back("single-step does not work");
  if (!facts.breakpoint_exit && facts.breakpoint_internal_error) {
    facts.notes.emplace_back("int3 shows as a failed emulation: software breakpoints take hardware "
                             "slots first, and none is written in real mode");
  }
  if (!facts.data_watch) {
    facts.notes.emplace_back(
        facts.write_protect
            ? "data watchpoints never fire: write watches protect their pages, read "
              "and access watches single-step every instruction, slow"
            : "data watchpoints never fire: watches single-step every instruction, "
              "slow");
  }
  if (!facts.block_interrupts) {
    facts.notes.emplace_back(
        "interrupts cannot be held off: a step may end in an interrupt handler");
  }
}

} // namespace

Result<HostFacts> probe(Kernel& kernel) {
  HostFacts facts;
  TRY(read_advertised(kernel, facts));
  if (!facts.guest_debug) {
    facts.notes.emplace_back("this kernel has no KVM_SET_GUEST_DEBUG: no breakpoint or step works");
    return facts;
  }
  if (auto asked = ask_everything(kernel, facts); !asked) {
    facts.notes.push_back("probe guest: " + asked.error().what);
  }
  if (auto asked = ask_interrupts(kernel, facts); !asked) {
    facts.notes.push_back("blocked interrupts: " + asked.error().what);
  }
  // On hardware a step that held for three nops is dropped by any rewrite of RFLAGS: set it each
  // time.
  if (!facts.emulated) facts.rearm_step = true;
  explain(facts);
  return facts;
}

} // namespace kdbg::kvm::x86
