#include "kvm/arch/riscv64/probe.hpp"

#include "kvm/arch/riscv64/abi.hpp"
#include "kvm/facts.hpp"
#include "kvm/small_guest.hpp"
#include "kvm/watchdog.hpp"

#include <fmt/format.h>

namespace kdbg::kvm::riscv64 {
namespace {

constexpr std::uint32_t addi_a0 = 0x00150513, ebreak = 0x00100073, store_to_a1 = 0x00a5b023,
                        two_c_ebreaks = 0x90029002, jump_to_itself = 0x0000006f,
                        loop_a0_down[] = {0xfff50513, 0xfe051ee3}; // addi a0, a0, -1; bnez a0, -4
constexpr unsigned x_a0 = 10, x_a1 = 11;
using Clock = std::chrono::steady_clock;

/// Runs `code` in supervisor mode, with a handler that stores to where no memory is.
Status run(SmallGuest& guest, std::initializer_list<std::uint32_t> code) {
  constexpr std::uint32_t handler[] = {store_to_a1, jump_to_itself};
  TRY(guest.put(SmallGuest::code, std::span(code.begin(), code.size())));
  TRY(guest.put(SmallGuest::handler, handler));
  TRY(guest.set(core_x(x_a1), SmallGuest::mmio));
  TRY(guest.set(csr(Csr::stvec), SmallGuest::handler));
  TRY(guest.set(core_mode, mode_supervisor));
  TRY(guest.set(core_pc, SmallGuest::code));
  TRY(guest.run());
  return Done{};
}

Result<bool> stopped_at(SmallGuest& guest, std::uint64_t pc) {
  return guest.exited_by(KVM_EXIT_DEBUG) && TRY(guest.get(core_pc)) == pc;
}

/// The ebreak ends what does not stop before it: any bit but ENABLE is taken and not looked at.
Status ask_step(SmallGuest& guest, HostFacts& facts) {
  Finding found{.feature = "single step",
                .arch = "riscv64",
                .kernel = "KVM_GUESTDBG_SINGLESTEP is accepted",
                .observed = "the vCPU ran on to the next ebreak",
                .instead = "a step runs alone up to a temporary ebreak"};
  if (auto armed = guest.debug(plain_debug_enable | plain_debug_single_step); !armed) {
    found.kernel = "KVM_GUESTDBG_SINGLESTEP is refused";
    found.observed = "none";
    found.error = armed.error().sys_errno;
  } else {
    TRY(run(guest, {addi_a0, addi_a0, ebreak}));
    if (TRY(stopped_at(guest, SmallGuest::code + 4))) {
      found.observed = "the vCPU stopped, which kvmdbg makes no use of";
    }
  }
  facts.notes.push_back(describe(found));
  return Done{};
}

Status ask_ebreak(SmallGuest& guest, HostFacts& facts) {
  TRY(guest.debug(plain_debug_enable | plain_debug_use_sw_bp));
  TRY(run(guest, {addi_a0, ebreak}));
  const bool full = TRY(stopped_at(guest, SmallGuest::code + 4));
  TRY(run(guest, {addi_a0, two_c_ebreaks}));
  facts.breakpoint_exit = full && TRY(stopped_at(guest, SmallGuest::code + 4));
  facts.soft_step = facts.breakpoint_exit;
  if (facts.breakpoint_exit) return Done{};
  facts.notes.push_back(
      describe({.feature = "software breakpoints",
                .arch = "riscv64",
                .kernel = "KVM_CAP_SET_GUEST_DEBUG is there",
                .observed = full ? "c.ebreak does not exit" : "ebreak does not exit",
                .instead = "nothing: no point and no step works"}));
  return Done{};
}

/// With debugging off the guest must have its own breakpoints.
Status ask_own_ebreak(SmallGuest& guest, HostFacts& facts) {
  TRY(guest.debug(0));
  TRY(run(guest, {addi_a0, ebreak, jump_to_itself}));
  if (guest.exited_by(KVM_EXIT_MMIO) && TRY(guest.get(csr(Csr::scause))) == cause_breakpoint) {
    return Done{};
  }
  facts.notes.push_back(describe({.feature = "the guest's own ebreak",
                                  .arch = "riscv64",
                                  .kernel = "debugging is switched off",
                                  .observed = "its handler was not entered",
                                  .instead = "handed over by hand while points are in place"}));
  return Done{};
}

Status ask_speed(SmallGuest& guest, HostFacts& facts) {
  constexpr std::uint64_t iterations = 0x4000;
  TRY(guest.debug(plain_debug_enable | plain_debug_use_sw_bp));
  TRY(guest.set(core_x(x_a0), iterations));
  const auto start = Clock::now();
  TRY(run(guest, {loop_a0_down[0], loop_a0_down[1], ebreak}));
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  if (TRY(stopped_at(guest, SmallGuest::code + 8))) facts.loops_per_second = iterations / seconds;
  return Done{};
}

Status ask_everything(Kernel& kernel, HostFacts& facts) {
  auto guest = TRY(SmallGuest::create(kernel));
  const Watchdog watchdog(kernel, &guest->vcpu().run_page().immediate_exit,
                          std::chrono::seconds(2));
  using Question = Status (*)(SmallGuest&, HostFacts&);
  constexpr std::pair<const char*, Question> questions[] = {{"single step", ask_step},
                                                            {"ebreak", ask_ebreak},
                                                            {"the guest's ebreak", ask_own_ebreak},
                                                            {"speed", ask_speed}};
  for (const auto& [what, ask] : questions) {
    if (auto asked = ask(*guest, facts); !asked) {
      facts.notes.push_back(fmt::format("{}: could not be tried: {} (errno {})", what,
                                        asked.error().what, asked.error().sys_errno));
    }
  }
  return guest->debug(0);
}

void explain(HostFacts& facts) {
  facts.notes.push_back(
      describe({.feature = "hardware breakpoints and watchpoints",
                .arch = "riscv64",
                .kernel = "no KVM_GUESTDBG_USE_HW in this kernel API",
                .observed = "none",
                .instead = "watches compare memory after every instruction, slow"}));
  facts.notes.emplace_back("interrupts cannot be held off: one that comes during a step is handled "
                           "before the step ends");
}

} // namespace

Result<HostFacts> probe(Kernel& kernel) {
  HostFacts facts;
  facts.rearm_step = false;
  facts.guest_debug = TRY(advertised(kernel, KVM_CAP_SET_GUEST_DEBUG)) != 0;
  facts.readonly_memory = TRY(advertised(kernel, KVM_CAP_READONLY_MEM)) != 0;
  if (!facts.guest_debug) {
    facts.notes.push_back(describe({.feature = "guest debugging",
                                    .arch = "riscv64",
                                    .kernel = "KVM_CAP_SET_GUEST_DEBUG is 0",
                                    .observed = "none",
                                    .instead = "nothing: it takes Linux 6.10 or newer"}));
    return facts;
  }
  if (auto asked = ask_everything(kernel, facts); !asked) {
    facts.notes.push_back("probe guest: " + asked.error().what);
  }
  explain(facts);
  return facts;
}

} // namespace kdbg::kvm::riscv64
