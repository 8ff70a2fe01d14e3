#include "kvm/arch/arm64/probe.hpp"

#include "kvm/arch/arm64/decode.hpp"
#include "kvm/arch/arm64/micro_guest.hpp"
#include "kvm/arch/arm64/slots.hpp"
#include "kvm/facts.hpp"
#include "kvm/questions.hpp"

#include <algorithm>
#include <bit>
#include <fmt/format.h>

namespace kdbg::kvm::arm64 {
namespace {

constexpr std::uint32_t nop = 0xd503201f, str_w1_x2 = 0xb9000041, ldr_w1_x2 = 0xb9400041,
                        str_w1_x3 = 0xb9000061, sub_x0_1 = 0xd1000400, cbnz_x0_back = 0xb5ffffe0,
                        branch_to_itself = 0x14000000;
using Clock = std::chrono::steady_clock;
double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

Status ask_step(MicroGuest& guest, HostFacts& facts) {
  TRY(guest.load({nop, nop, nop, nop}));
  TRY(guest.debug(debug_single_step));
  bool persists = true;
  for (std::uint64_t n = 1; n <= 3 && persists; ++n) { // armed once: does it hold?
    TRY(guest.run());
    persists = TRY(guest.stopped(Cause::step, guest.code() + 4 * n));
    facts.single_step = facts.single_step || persists;
  }
  facts.rearm_step = !persists;
  return Done{};
}

Status ask_brk(MicroGuest& guest, HostFacts& facts) {
  TRY(guest.load({nop, brk_0}));
  TRY(guest.debug(debug_use_sw_bp));
  TRY(guest.run());
  facts.breakpoint_exit = TRY(guest.stopped(Cause::brk64, guest.code() + 4));
  return Done{};
}

/// The last of the pairs that the kernel says there are.
Status ask_exec(MicroGuest& guest, HostFacts& facts) {
  if (facts.exec_slots == 0) return Done{};
  TRY(guest.load({nop, nop, nop}));
  GuestDebug want{};
  want.control = debug_enable | debug_use_hw;
  const Pair pair = encode_breakpoint(guest.code() + 4);
  want.bcr[facts.exec_slots - 1] = pair.control;
  want.bvr[facts.exec_slots - 1] = pair.value;
  TRY(guest.debug(want));
  TRY(guest.run());
  facts.hardware_exec = TRY(guest.stopped(Cause::breakpoint, guest.code() + 4));
  if (!facts.hardware_exec) return Done{};
  TRY(guest.run());
  facts.resume_flag_ignored = TRY(guest.stopped(Cause::breakpoint, guest.code() + 4));
  return Done{};
}

/// Runs a store and a load with a watch of this kind; true when it stopped by it at `stop`.
Result<bool> watched(MicroGuest& guest, HostFacts& facts, PointKind kind, std::uint64_t stop) {
  TRY(guest.load({str_w1_x2, ldr_w1_x2}));
  GuestDebug want{};
  want.control = debug_enable | debug_use_hw;
  const Pair pair = encode_watch({MicroGuest::data, 4, kind});
  want.wcr[facts.watch_slots - 1] = pair.control;
  want.wvr[facts.watch_slots - 1] = pair.value;
  TRY(guest.debug(want));
  TRY(guest.run());
  return guest.stopped(Cause::watchpoint, guest.code() + stop);
}

Status ask_watch(MicroGuest& guest, HostFacts& facts) {
  if (facts.watch_slots == 0) return Done{};
  const std::uint64_t before = guest.word(MicroGuest::data);
  const bool at_store = TRY(watched(guest, facts, PointKind::write, 0));
  facts.watch_before = at_store && guest.word(MicroGuest::data) == before;
  facts.data_watch = facts.watch_before && guest.debug_exit().far == MicroGuest::data;
  if (facts.data_watch) facts.read_slots = TRY(watched(guest, facts, PointKind::read, 4));
  return Done{};
}

/// Does the step of a store that userspace completes end in a debug exit?
Status ask_completion(MicroGuest& guest, HostFacts& facts) {
  if (!facts.single_step) return Done{};
  TRY(guest.load({str_w1_x3, nop, nop}));
  TRY(guest.debug(debug_single_step));
  TRY(guest.run());
  if (guest.page().exit_reason != KVM_EXIT_MMIO) {
    facts.notes.emplace_back("a store to where no memory is did not come out as MMIO");
    return Done{};
  }
  TRY(guest.complete());
  if (guest.page().exit_reason == KVM_EXIT_UNKNOWN) TRY(guest.run()); // the trap, or one more step
  facts.mmio_step_squashed = !TRY(guest.stopped(Cause::step, guest.code() + 4));
  return Done{};
}

/// With an interrupt pending, does a step with PSTATE.I set stay in line? One without must not.
Status ask_interrupts(MicroGuest& guest, HostFacts& facts) {
  if (!facts.single_step) return Done{};
  constexpr std::uint64_t irq_vector = MicroGuest::vectors + 0x280;
  TRY(guest.load({nop, nop}, MicroGuest::el1h | interrupt_masks));
  TRY(guest.interrupt(true));
  TRY(guest.debug(debug_single_step));
  TRY(guest.run());
  facts.block_interrupts = TRY(guest.stopped(Cause::step, guest.code() + 4));
  TRY(guest.set(reg::pstate, MicroGuest::el1h));
  TRY(guest.run());
  if (facts.block_interrupts && !TRY(guest.stopped(Cause::step, irq_vector))) {
    facts.notes.emplace_back(
        "interrupts held off while stepping: taken at PSTATE's word, since the "
        "probe's guest never got the one it was sent");
  }
  return guest.interrupt(false);
}

/// With debugging off the guest must have its own breakpoints.
Status ask_own_brk(MicroGuest& guest, HostFacts& facts) {
  TRY(guest.debug(0));
  TRY(guest.load({brk_0 | 7u << 5}));
  TRY(guest.run());
  constexpr std::uint64_t syndrome = 0x3cu << 26 | 1u << 25 | 7;
  if (guest.page().exit_reason == KVM_EXIT_MMIO && TRY(guest.get(reg::esr_el1)) == syndrome) {
    return Done{};
  }
  facts.notes.push_back(describe({.feature = "the guest's own BRK",
                                  .arch = "arm64",
                                  .kernel = "debugging is switched off",
                                  .observed = "its handler was not entered",
                                  .instead = "handed over by hand while points are in place"}));
  return Done{};
}

Status ask_speed(MicroGuest& guest, HostFacts& facts) {
  constexpr std::uint64_t iterations = 0x4000;
  constexpr unsigned steps = 256;
  TRY(guest.debug(0));
  TRY(guest.load({sub_x0_1, cbnz_x0_back}, MicroGuest::all_masked, iterations));
  auto start = Clock::now();
  TRY(guest.run());
  if (guest.page().exit_reason == KVM_EXIT_MMIO) {
    facts.loops_per_second = iterations / seconds_since(start);
  }
  if (!facts.single_step) return Done{};
  TRY(guest.load({branch_to_itself}));
  TRY(guest.debug(debug_single_step));
  start = Clock::now();
  for (unsigned i = 0; i < steps; ++i) {
    TRY(guest.run());
  }
  facts.steps_per_second = steps / seconds_since(start);
  return Done{};
}

constexpr Question<MicroGuest> questions[] = {{"single step", ask_step},
                                              {"brk", ask_brk},
                                              {"hardware breakpoint", ask_exec},
                                              {"data watchpoint", ask_watch},
                                              {"stepped MMIO", ask_completion},
                                              {"blocked interrupts", ask_interrupts},
                                              {"the guest's own brk", ask_own_brk},
                                              {"speed", ask_speed}};

Status ask_everything(Kernel& kernel, HostFacts& facts) {
  auto guest = TRY(MicroGuest::create(kernel));
  return ask_all<MicroGuest>(kernel, *guest, questions, facts,
                             [](MicroGuest& settled) { return settled.debug(0); });
}

/// The vector length that a vCPU gets when it asks for no other.
Status ask_scalable(Kernel& kernel, HostFacts& facts) {
  auto guest = TRY(MicroGuest::create(kernel, 1u << feature_sve));
  std::array<std::uint64_t, 8> lengths{};
  OneReg request{reg::vector_lengths, reinterpret_cast<std::uintptr_t>(lengths.data())};
  TRY(guest->vcpu().ioctl(get_one_reg, &request));
  for (unsigned n = 0; n < lengths.size(); ++n) {
    if (lengths[n] == 0) continue;
    const unsigned longest = 64 * n + static_cast<unsigned>(std::bit_width(lengths[n]));
    facts.sve_bytes = static_cast<std::uint16_t>(16 * longest);
  }
  facts.sve = facts.sve_bytes != 0;
  return Done{};
}

struct Advertised {
  bool sve = false;
};

Result<Advertised> read_advertised(Kernel& kernel, HostFacts& facts) {
  const Fd kvm = TRY(kernel.open_kvm());
  const auto check = [&](unsigned long capability) {
    auto answer = kernel.ioctl(kvm, KVM_CHECK_EXTENSION, integer(capability));
    return answer ? static_cast<unsigned>(*answer) : 0u;
  };
  facts.guest_debug = check(cap_guest_debug) != 0;
  facts.debug_flags = check(cap_guest_debug2);
  facts.readonly_memory = check(KVM_CAP_READONLY_MEM) != 0;
  facts.exec_slots = std::min(check(cap_exec_slots), most_pairs);
  facts.watch_slots = std::min(check(cap_watch_slots), most_pairs);
  const Advertised out{check(cap_sve) != 0};
  kernel.close(kvm);
  return out;
}

void explain(HostFacts& facts) {
  struct Missing {
    bool works;
    const char *feature, *word;
    unsigned number;
    const char *observed, *instead;
  };
  const Missing rows[] = {
      {facts.single_step, "single step", "KVM_CAP_SET_GUEST_DEBUG2 is {:#x}", facts.debug_flags,
       "no debug exit after one instruction", "nothing: steps and stepped watches are refused"},
      {facts.breakpoint_exit, "software breakpoints", "KVM_CAP_SET_GUEST_DEBUG2 is {:#x}",
       facts.debug_flags, "brk does not exit", "hardware breakpoints"},
      {facts.hardware_exec, "hardware breakpoints", "KVM_CAP_GUEST_DEBUG_HW_BPS is {}",
       facts.exec_slots, "no debug exit at the instruction", "software breakpoints"},
      {facts.data_watch, "hardware watchpoints", "KVM_CAP_GUEST_DEBUG_HW_WPS is {}",
       facts.watch_slots, "no debug exit at the store",
       "watches single-step every instruction, slow"},
      {!facts.data_watch || facts.read_slots, "read watchpoints",
       "KVM_CAP_GUEST_DEBUG_HW_WPS is {}", facts.watch_slots,
       "the watch of a load does not stop at it alone", "values are compared"},
      {facts.block_interrupts, "interrupts held off while stepping",
       "KVM_CAP_SET_GUEST_DEBUG2 is {:#x}", facts.debug_flags,
       "a step with PSTATE.I set did not stay in line", "a step may end in an interrupt handler"},
  };
  for (const Missing& row : rows) {
    if (row.works) continue;
    const std::string word = fmt::format(fmt::runtime(row.word), row.number);
    facts.notes.push_back(describe({.feature = row.feature,
                                    .arch = "arm64",
                                    .kernel = word,
                                    .observed = row.observed,
                                    .instead = row.instead}));
  }
}

} // namespace

Result<HostFacts> probe(Kernel& kernel) {
  HostFacts facts;
  const Advertised advertised = TRY(read_advertised(kernel, facts));
  if (!facts.guest_debug) {
    facts.notes.push_back(describe({.feature = "guest debugging",
                                    .arch = "arm64",
                                    .kernel = "KVM_CAP_SET_GUEST_DEBUG is 0",
                                    .observed = "none",
                                    .instead = "nothing: no breakpoint and no step works"}));
  } else if (auto asked = ask_everything(kernel, facts); !asked) {
    facts.notes.push_back("probe guest: " + asked.error().what);
  }
  if (advertised.sve) {
    if (auto asked = ask_scalable(kernel, facts); !asked) {
      facts.notes.push_back(describe({.feature = "SVE",
                                      .arch = "arm64",
                                      .kernel = "KVM_CAP_ARM_SVE is 1",
                                      .observed = asked.error().what,
                                      .error = asked.error().sys_errno,
                                      .instead = "guests have none"}));
    }
  }
  if (facts.guest_debug) explain(facts);
  return facts;
}

} // namespace kdbg::kvm::arm64
