#pragma once
/// What a probe asks of its guest, one question after the other.
#include "kvm/arch.hpp"
#include "kvm/watchdog.hpp"

#include <fmt/format.h>

namespace kdbg::kvm {

template <class Guest>
struct Question {
  const char* what; ///< for a note that it could not be tried
  Status (*ask)(Guest&, HostFacts&);
};

/// At most two seconds for them all. `settle(guest)` ends what each left armed or half done; an
/// error of its own ends the questions.
template <class Guest, class Settle>
Status ask_all(Kernel& kernel,
               Guest& guest,
               std::span<const Question<Guest>> questions,
               HostFacts& facts,
               const Settle& settle) {
  const Watchdog watchdog(kernel, &guest.vcpu().run_page().immediate_exit, std::chrono::seconds(2));
  for (const auto& [what, ask] : questions) {
    if (auto asked = ask(guest, facts); !asked) {
      facts.notes.push_back(fmt::format("{}: could not be tried: {} (errno {})", what,
                                        asked.error().what, asked.error().sys_errno));
    }
    TRY(settle(guest));
  }
  return Done{};
}

} // namespace kdbg::kvm
