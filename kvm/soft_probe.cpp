#include "kvm/soft_probe.hpp"

#include "kvm/facts.hpp"

namespace kdbg::kvm {
namespace {

Status ask_guest(Kernel& kernel, std::span<const Question<SoftGuest>> questions, HostFacts& facts) {
  auto guest = TRY(SoftGuest::create(kernel));
  const auto leave = [](SoftGuest&) -> Status { return Done{}; }; // each arms what it needs
  TRY(ask_all(kernel, *guest, questions, facts, leave));
  return guest->debug(0);
}

void explain(HostFacts& facts, std::string_view arch) {
  facts.notes.push_back(
      describe({.feature = "hardware breakpoints and watchpoints",
                .arch = arch,
                .kernel = "no KVM_GUESTDBG_USE_HW in this kernel API",
                .observed = "none",
                .instead = "watches compare memory after every instruction, slow"}));
  facts.notes.emplace_back("interrupts cannot be held off: one that comes during a step is handled "
                           "before the step ends");
}

} // namespace

Result<std::unique_ptr<SoftGuest>> SoftGuest::create(Kernel& kernel) {
  std::unique_ptr<SoftGuest> guest(new SoftGuest(kernel));
  TRY(guest->create_vm());
  TRY(guest->create_vcpu());
  return guest;
}

Result<HostFacts>
soft_probe(Kernel& kernel, std::string_view arch, std::span<const Question<SoftGuest>> questions) {
  HostFacts facts;
  facts.rearm_step = false;
  facts.guest_debug = TRY(advertised(kernel, KVM_CAP_SET_GUEST_DEBUG)) != 0;
  facts.readonly_memory = TRY(advertised(kernel, KVM_CAP_READONLY_MEM)) != 0;
  if (!facts.guest_debug) {
    facts.notes.push_back(describe({.feature = "guest debugging",
                                    .arch = arch,
                                    .kernel = "KVM_CAP_SET_GUEST_DEBUG is 0",
                                    .observed = "none",
                                    .instead = "nothing: it takes Linux 6.10 or newer"}));
    return facts;
  }
  if (auto asked = ask_guest(kernel, questions, facts); !asked) {
    facts.notes.push_back("probe guest: " + asked.error().what);
  }
  explain(facts, arch);
  return facts;
}

Status note_step(SoftGuest& guest,
                 HostFacts& facts,
                 std::string_view arch,
                 std::string_view breakpoint,
                 const std::function<Result<bool>()>& stops) {
  const std::string ran_on = fmt::format("the vCPU ran on to the next {}", breakpoint);
  const std::string instead = fmt::format("a step runs alone up to a temporary {}", breakpoint);
  Finding found{.feature = "single step",
                .arch = arch,
                .kernel = "KVM_GUESTDBG_SINGLESTEP is accepted",
                .observed = ran_on,
                .instead = instead};
  if (auto armed = guest.debug(plain_debug_enable | plain_debug_single_step); !armed) {
    found.kernel = "KVM_GUESTDBG_SINGLESTEP is refused";
    found.observed = "none";
    found.error = armed.error().sys_errno;
  } else if (TRY(stops())) {
    found.observed = "the vCPU stopped, which kvmdbg makes no use of";
  }
  facts.notes.push_back(describe(found));
  return Done{};
}

} // namespace kdbg::kvm
