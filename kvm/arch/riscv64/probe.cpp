#include "kvm/arch/riscv64/probe.hpp"

#include "kvm/arch/riscv64/abi.hpp"
#include "kvm/facts.hpp"
#include "kvm/soft_probe.hpp"

namespace kdbg::kvm::riscv64 {
namespace {

constexpr std::uint32_t addi_a0 = 0x00150513, ebreak = 0x00100073, store_to_a1 = 0x00a5b023,
                        two_c_ebreaks = 0x90029002, jump_to_itself = 0x0000006f,
                        loop_a0_down[] = {0xfff50513, 0xfe051ee3}; // addi a0, a0, -1; bnez a0, -4
constexpr unsigned x_a0 = 10, x_a1 = 11;
using Clock = std::chrono::steady_clock;

/// Runs `code` in supervisor mode, with a handler that stores to where no memory is.
Status run(SoftGuest& guest, std::initializer_list<std::uint32_t> code) {
  constexpr std::uint32_t handler[] = {store_to_a1, jump_to_itself};
  TRY(guest.put(SoftGuest::code, std::span(code.begin(), code.size())));
  TRY(guest.put(SoftGuest::handler, handler));
  TRY(guest.set(core_x(x_a1), SoftGuest::mmio));
  TRY(guest.set(csr(Csr::stvec), SoftGuest::handler));
  TRY(guest.set(core_mode, mode_supervisor));
  TRY(guest.set(core_pc, SoftGuest::code));
  TRY(guest.run());
  return Done{};
}

Result<bool> stopped_at(SoftGuest& guest, std::uint64_t pc) {
  return guest.exited_by(KVM_EXIT_DEBUG) && TRY(guest.get(core_pc)) == pc;
}

/// The ebreak ends what does not stop before it: any bit but ENABLE is taken and not looked at.
Status ask_step(SoftGuest& guest, HostFacts& facts) {
  return note_step(guest, facts, "riscv64", "ebreak", [&]() -> Result<bool> {
    TRY(run(guest, {addi_a0, addi_a0, ebreak}));
    return stopped_at(guest, SoftGuest::code + 4);
  });
}

Status ask_ebreak(SoftGuest& guest, HostFacts& facts) {
  TRY(guest.debug(plain_debug_enable | plain_debug_use_sw_bp));
  TRY(run(guest, {addi_a0, ebreak}));
  const bool full = TRY(stopped_at(guest, SoftGuest::code + 4));
  TRY(run(guest, {addi_a0, two_c_ebreaks}));
  facts.breakpoint_exit = full && TRY(stopped_at(guest, SoftGuest::code + 4));
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
Status ask_own_ebreak(SoftGuest& guest, HostFacts& facts) {
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

Status ask_speed(SoftGuest& guest, HostFacts& facts) {
  constexpr std::uint64_t iterations = 0x4000;
  TRY(guest.debug(plain_debug_enable | plain_debug_use_sw_bp));
  TRY(guest.set(core_x(x_a0), iterations));
  const auto start = Clock::now();
  TRY(run(guest, {loop_a0_down[0], loop_a0_down[1], ebreak}));
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  if (TRY(stopped_at(guest, SoftGuest::code + 8))) facts.loops_per_second = iterations / seconds;
  return Done{};
}

constexpr Question<SoftGuest> questions[] = {{"single step", ask_step},
                                             {"ebreak", ask_ebreak},
                                             {"the guest's ebreak", ask_own_ebreak},
                                             {"speed", ask_speed}};

} // namespace

Result<HostFacts> probe(Kernel& kernel) {
  return soft_probe(kernel, "riscv64", questions);
}

} // namespace kdbg::kvm::riscv64
