#include "protocols/gdb/settings.hpp"

#include "protocols/gdb/conversation.hpp"
#include "protocols/gdb/text.hpp"

#include <fmt/format.h>

namespace kdbg::gdb {
namespace {

/// SIGNAL;SIGNAL... A machine has no signals, so whichever are to pass do.
Answer take_signals(Conversation&, std::string_view arguments) {
  Scanner scanner(arguments);
  while (!scanner.done()) {
    TRY(scanner.hex("signal"));
    if (!scanner.done()) TRY(scanner.expect(';'));
  }
  return say_ok();
}

Result<bool> parse_switch(std::string_view name, std::string_view word) {
  if (word == "0" || word == "1") return word == "1";
  return Error{Code::bad_request, fmt::format("{} is 0 or 1", name)};
}

/// vCPUs neither come nor go, so there is no event to tell or to keep back.
Answer set_thread_events(Conversation&, std::string_view arguments) {
  TRY(parse_switch("QThreadEvents", arguments));
  return say_ok();
}

Answer set_non_stop(Conversation&, std::string_view arguments) {
  if (!TRY(parse_switch("QNonStop", arguments))) return say_ok();
  return Error{Code::unsupported,
               "non-stop mode is not supported: when one vCPU stops, all do (set non-stop off)"};
}

// QEMU's packets about single steps, with its bits

constexpr unsigned step_enabled = 1, step_without_interrupts = 2;

/// What our steps do, and cannot be told to do otherwise.
unsigned step_bits(const Conversation& c) {
  return step_enabled | (c.target().capabilities().block_interrupts ? step_without_interrupts : 0);
}

Answer list_step_bits(Conversation& c, std::string_view) {
  const bool blocks = (step_bits(c) & step_without_interrupts) != 0;
  return say(fmt::format("ENABLE={:x}{}", step_enabled,
                         blocks ? fmt::format(",NOIRQ={:x}", step_without_interrupts) : ""));
}

Answer show_step_bits(Conversation& c, std::string_view) {
  return say(fmt::format("{:#x}", step_bits(c)));
}

Answer set_step_bits(Conversation& c, std::string_view arguments) {
  if (arguments.starts_with("0x")) arguments.remove_prefix(2);
  Scanner scanner(arguments);
  const std::uint64_t bits = TRY(scanner.hex("step bits"));
  TRY(scanner.finish());
  if (bits == step_bits(c)) return say_ok();
  return Error{Code::unsupported,
               fmt::format("sstep is {:#x} on this host and cannot be {:#x}: a step {}",
                           step_bits(c), bits,
                           c.target().capabilities().block_interrupts
                               ? "always holds interrupts back, and never the guest's timers"
                               : "cannot hold back interrupts or timers")};
}

constexpr Row rows[] = {
    {"QPassSignals:", Row::Match::prefix, &take_signals},
    {"QProgramSignals:", Row::Match::prefix, &take_signals},
    {"QThreadEvents:", Row::Match::prefix, &set_thread_events},
    {"QNonStop:", Row::Match::prefix, &set_non_stop},
    {"qqemu.sstepbits", Row::Match::exact, &list_step_bits},
    {"qqemu.sstep", Row::Match::exact, &show_step_bits},
    {"Qqemu.sstep=", Row::Match::prefix, &set_step_bits},
};

} // namespace

Table setting_packets() {
  return rows;
}

} // namespace kdbg::gdb
