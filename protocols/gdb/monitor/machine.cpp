// The machine as a whole: what is installed, what the host can do, its console, its reset.
#include "adapter/commands.hpp"
#include "protocols/gdb/monitor/command.hpp"

#include <fmt/format.h>

namespace kdbg::gdb::monitor {
namespace {

Output points(Conversation& c, std::string_view) {
  const auto installed = TRY(c.session.execute(ListPoints{}));
  if (installed.empty()) return std::string("no points\n");
  std::string text;
  for (const PointState& state : installed) {
    text += fmt::format("{}: {}, {} hits\n", describe(state.point), state.strategy, state.hits);
    for (const WishState& wish : state.wishes) {
      if (wish.rule.empty()) continue;
      text += fmt::format("  client {}: {}; it held {} times, which meant {} hits\n",
                          static_cast<std::uint32_t>(wish.client), wish.rule, wish.held, wish.done);
    }
  }
  return text;
}

std::string_view yes_no(bool claim) {
  return claim ? "yes" : "no";
}

Output capabilities(Conversation& c, std::string_view) {
  const Capabilities& can = c.target().capabilities();
  std::string text = fmt::format("hardware slots     {}\n", can.hardware_slots);
  text += fmt::format("single step        {}\n", yes_no(can.single_step));
  text += fmt::format("software points    {}\n", yes_no(can.software_points));
  text += fmt::format("hardware watch     {}\n", yes_no(can.hardware_watch));
  text += fmt::format("protected watch    {}\n", yes_no(can.protected_watch));
  text += fmt::format("stepped watch      {}\n", yes_no(can.stepped_watch));
  text += fmt::format("interrupts blocked {}\n", yes_no(can.block_interrupts));
  for (const std::string& line : can.notes) {
    text += fmt::format("note: {}\n", line);
  }
  return text;
}

Output console(Conversation& c, std::string_view typed) {
  if (typed.empty()) return c.session.execute(ReadConsole{});
  return c.session.execute(Console{std::string(typed) + '\n'});
}

Output reset(Conversation& c, std::string_view) {
  TRY(c.session.execute(ResetMachine{}));
  return std::string("the machine is at its first instruction again; gdb still shows the last stop:"
                     " use `maintenance flush register-cache`\n");
}

/// The answer comes when the file is whole, or is not to be.
Output dump(Conversation& c, std::string_view name) {
  if (c.dump) return Error{Code::bad_request, "a dump is being written"};
  if (c.session.dumps() == nullptr) {
    return Error{Code::unsupported, "this server writes no core files"};
  }
  Dumps::Listener listener;
  listener.progress = [&c](std::string_view line) {
    c.print(fmt::format("{}\n", line));
    c.answer_late({});
  };
  listener.done = [&c](const Result<std::string>& outcome) {
    c.dump.reset();
    c.print(outcome ? fmt::format("{}\n", *outcome)
                    : fmt::format("error: {}\n", outcome.error().what));
    c.answer_late("OK");
  };
  c.dump = TRY(c.session.dumps()->start(c.session, name, std::move(listener)));
  return std::string();
}

constexpr Command commands[] = {
    {"points", "", "what is installed, and how",
     "One line for each breakpoint and watchpoint of all clients: its method and its hits. gdb "
     "takes\n"
     "its points out at every stop; `set breakpoint always-inserted on` keeps them in.\n",
     &points},
    {"caps", "", "what this host can do",
     "What was found to work on this host's KVM, by running small guests at start. The notes say\n"
     "what does not, or works in its own way. `kvmdbg probe` shows more.\n",
     &capabilities},
    {"console", "[TEXT]", "type TEXT, show what the guest wrote",
     "TEXT and a line end are typed on the guest's COM1; then comes the latest that the guest "
     "wrote\n"
     "there. Works while the guest runs.\n",
     &console},
    {"dump", "NAME", "core file of all memory, in the server's folder",
     "An ELF core with the vCPUs' registers, for gdb, crash and drgn; sparse. The file must not "
     "exist\n"
     "yet, and is whole or not there. `kvmdbg dump` writes one on the client's side.\n",
     &dump},
    {"reset", "", "machine reset, stopped at entry",
     "Needs run control. Points stay. Under `target extended-remote`, gdb's own `run` does the "
     "same\n"
     "and gdb knows of it.\n",
     &reset},
};

} // namespace

Commands machine_commands() {
  return commands;
}

} // namespace kdbg::gdb::monitor
