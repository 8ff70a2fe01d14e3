#include "protocols/gdb/monitor.hpp"

#include "adapter/commands.hpp"
#include "protocols/gdb/conversation.hpp"
#include "protocols/gdb/text.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace kdbg::gdb {
namespace {

using Output = Result<std::string>;

/// One `monitor` word.
struct Command {
  std::string_view name, arguments, summary;
  Output (*run)(Conversation& c, std::string_view arguments);
};
std::span<const Command> commands();

Output help(Conversation&, std::string_view) {
  std::string text;
  for (const Command& command : commands()) {
    text += fmt::format("{:<18} {}\n", fmt::format("{} {}", command.name, command.arguments),
                        command.summary);
  }
  return text;
}

Output points(Conversation& c, std::string_view) {
  const auto installed = TRY(c.session.execute(ListPoints{}));
  if (installed.empty()) return std::string("no points\n");
  std::string text;
  for (const PointState& state : installed) {
    text += fmt::format("{}: {}, {} hits\n", describe(state.point), state.strategy, state.hits);
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
  text += fmt::format("stepped watch      {}\n", yes_no(can.stepped_watch));
  text += fmt::format("interrupts blocked {}\n", yes_no(can.block_interrupts));
  for (const std::string& line : can.notes) {
    text += fmt::format("note: {}\n", line);
  }
  return text;
}

/// As a number: most significant byte first.
std::string number(const Bytes& value) {
  Bytes reversed(value.rbegin(), value.rend());
  return "0x" + to_hex(reversed);
}

Output registers(Conversation& c, std::string_view) {
  const auto table = c.target().arch().registers;
  std::string text;
  for (std::size_t i = 0; i < table.size(); ++i) {
    const auto value = c.session.execute(ReadRegister{c.general, static_cast<RegisterId>(i)});
    if (!value && value.error().code != Code::unsupported) return value.error();
    text += fmt::format("{:<14} {}\n", table[i].name, value ? number(*value) : value.error().what);
  }
  return text;
}

Output translate(Conversation& c, std::string_view arguments) {
  if (arguments.starts_with("0x")) arguments.remove_prefix(2);
  Scanner scanner(arguments);
  const std::uint64_t at = TRY(scanner.hex("address"));
  TRY(scanner.finish());
  const Translation found = TRY(c.session.execute(Translate{c.general, Address{at}}));
  std::string text = fmt::format("{:#x} is physical {:#x}", at, found.physical.value);
  if (found.page_size == 0) return text + ", paging is off\n";
  text += fmt::format(", in a page of {:#x}: {}, {}, {}\n", found.page_size,
                      found.writable ? "writable" : "read-only", found.user ? "user" : "kernel",
                      found.executable ? "executable" : "no-execute");
  for (const std::string& level : found.levels) {
    text += fmt::format("  {}\n", level);
  }
  return text;
}

Output console(Conversation& c, std::string_view typed) {
  std::string line(typed);
  if (!line.empty()) line += '\n';
  return c.session.execute(Console{line});
}

Output reset(Conversation& c, std::string_view) {
  TRY(c.session.execute(ResetMachine{}));
  return std::string("the machine is at its first instruction again; gdb still shows the last stop:"
                     " use `maintenance flush register-cache`\n");
}

std::span<const Command> commands() {
  static constexpr Command all[] = {
      {"help", "", "this list", &help},
      {"points", "", "what is installed, and how", &points},
      {"caps", "", "what this host can do", &capabilities},
      {"regs", "", "every register of the selected vCPU", &registers},
      {"translate", "ADDR", "page-table walk", &translate},
      {"console", "[TEXT]", "type TEXT, show what the guest wrote", &console},
      {"reset", "", "machine reset, stopped at entry", &reset},
  };
  return all;
}

Output run(Conversation& c, std::string_view line) {
  line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
  if (line.empty()) return help(c, {});
  Scanner scanner(line);
  const std::string_view word = scanner.until(' ');
  for (const Command& command : commands()) {
    if (command.name == word) return command.run(c, scanner.rest());
  }
  return fmt::format("unknown command \"{}\"; `monitor help` lists them\n", word);
}

/// gdb 13 shows an error code as "Protocol error", so what went wrong is said in words.
Answer monitor(Conversation& c, std::string_view arguments) {
  const Bytes line = TRY(from_hex(arguments));
  const auto output = run(c, text_of(line));
  c.print(output ? *output : fmt::format("error: {}\n", output.error().what));
  return say_ok();
}

constexpr Row rows[] = {{"qRcmd,", Row::Match::prefix, &monitor}};

} // namespace

Table monitor_packets() {
  return rows;
}

} // namespace kdbg::gdb
