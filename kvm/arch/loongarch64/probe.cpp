#include "kvm/arch/loongarch64/probe.hpp"

#include "kvm/arch/loongarch64/abi.hpp"
#include "kvm/facts.hpp"
#include "kvm/soft_probe.hpp"

namespace kdbg::kvm::loongarch64 {
namespace {

constexpr unsigned a0 = 4, a1 = 5;
constexpr std::uint32_t addi_a0 = 0x02c00484, store_to_a1 = 0x29c000a4, jump_to_itself = 0x50000000,
                        loop_a0_down[] = {0x02fffc84, 0x47fffc9f}; // addi.d a0, a0, -1; bnez a0, -4
using Clock = std::chrono::steady_clock;

/// Runs `code` at privilege level 0 in direct addressing. What does not stop before ends in a
/// store to where no memory is.
Status run(SoftGuest& guest, std::vector<std::uint32_t> code, std::uint64_t in_a0 = 0) {
  code.push_back(store_to_a1);
  code.push_back(jump_to_itself);
  TRY(guest.put(SoftGuest::code, code));
  TRY(guest.set(csr(Csr::crmd), crmd_da));
  Regs regs{};
  regs.pc = SoftGuest::code;
  regs.gpr[a0] = in_a0;
  regs.gpr[a1] = SoftGuest::mmio;
  TRY(guest.vcpu().set(set_regs, regs));
  TRY(guest.run());
  return Done{};
}

Result<bool> stopped_at(SoftGuest& guest, std::uint64_t pc) {
  return guest.exited_by(KVM_EXIT_DEBUG) && TRY(guest.vcpu().get<Regs>(get_regs)).pc == pc;
}

Status ask_instruction(SoftGuest& guest, HostFacts& facts) {
  auto word = guest.get(debug_instruction);
  if (word) {
    facts.breakpoint_word = static_cast<std::uint32_t>(*word);
    return Done{};
  }
  facts.notes.push_back(describe({.feature = "software breakpoints",
                                  .arch = "loongarch64",
                                  .kernel = "KVM_REG_LOONGARCH_DEBUG_INST is not there",
                                  .observed = "none",
                                  .error = word.error().sys_errno,
                                  .instead = "nothing: it takes Linux 6.10 or newer"}));
  return Done{};
}

/// The breakpoint ends what does not stop before it: it exits whenever debugging is on.
Status ask_step(SoftGuest& guest, HostFacts& facts) {
  if (facts.breakpoint_word == 0) return Done{};
  return note_step(guest, facts, "loongarch64", "breakpoint", [&]() -> Result<bool> {
    TRY(run(guest, {addi_a0, addi_a0, facts.breakpoint_word}));
    return stopped_at(guest, SoftGuest::code + 4);
  });
}

Status ask_breakpoint(SoftGuest& guest, HostFacts& facts) {
  if (facts.breakpoint_word == 0) return Done{};
  TRY(guest.debug(plain_debug_enable | plain_debug_use_sw_bp));
  TRY(run(guest, {addi_a0, facts.breakpoint_word}));
  facts.breakpoint_exit = facts.soft_step = TRY(stopped_at(guest, SoftGuest::code + 4));
  if (facts.breakpoint_exit) return Done{};
  facts.notes.push_back(describe({.feature = "software breakpoints",
                                  .arch = "loongarch64",
                                  .kernel = "KVM_REG_LOONGARCH_DEBUG_INST is there",
                                  .observed = "its hypercall does not exit",
                                  .instead = "nothing: no point and no step works"}));
  return Done{};
}

/// With debugging off it is an unknown hypercall: as such it is handed on while debugging is on.
Status ask_own_hypercall(SoftGuest& guest, HostFacts& facts) {
  if (facts.breakpoint_word == 0) return Done{};
  TRY(guest.debug(0));
  TRY(run(guest, {addi_a0, facts.breakpoint_word}));
  const bool stored = guest.exited_by(KVM_EXIT_MMIO);
  const auto regs = TRY(guest.vcpu().get<Regs>(get_regs));
  if (stored && regs.gpr[a0] == ~std::uint64_t{0}) return Done{};
  facts.notes.push_back(describe({.feature = "the guest's own hypercall of that code",
                                  .arch = "loongarch64",
                                  .kernel = "debugging is switched off",
                                  .observed = "it does not answer as an unknown one",
                                  .instead = "answered with -1 while points are in place"}));
  return Done{};
}

Status ask_speed(SoftGuest& guest, HostFacts& facts) {
  constexpr std::uint64_t iterations = 0x4000;
  TRY(guest.debug(0));
  const auto start = Clock::now();
  TRY(run(guest, {loop_a0_down[0], loop_a0_down[1]}, iterations));
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  if (guest.exited_by(KVM_EXIT_MMIO)) facts.loops_per_second = iterations / seconds;
  return Done{};
}

constexpr Question<SoftGuest> questions[] = {{"breakpoint instruction", ask_instruction},
                                             {"single step", ask_step},
                                             {"breakpoint", ask_breakpoint},
                                             {"the guest's hypercall", ask_own_hypercall},
                                             {"speed", ask_speed}};

} // namespace

Result<HostFacts> probe(Kernel& kernel) {
  return soft_probe(kernel, "loongarch64", questions);
}

} // namespace kdbg::kvm::loongarch64
