#include "protocols/gdb/monitor.hpp"

#include "protocols/gdb/monitor/command.hpp"
#include "protocols/gdb/text.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>

namespace kdbg::gdb {
namespace {

using monitor::Command;
using monitor::Output;

std::array<monitor::Commands, 7> topics();

const Command* find(std::string_view word) {
  for (const monitor::Commands& topic : topics()) {
    for (const Command& command : topic) {
      if (command.name == word) return &command;
    }
  }
  return nullptr;
}

std::string unknown(std::string_view word) {
  return fmt::format("unknown command \"{}\"; `monitor help` lists them\n", word);
}

std::string summary(const Command& command) {
  return fmt::format("{:<18} {}\n", fmt::format("{} {}", command.name, command.arguments),
                     command.summary);
}

Output help(Conversation&, std::string_view word) {
  if (!word.empty()) {
    const Command* command = find(word);
    return command ? summary(*command) + std::string(command->more) : unknown(word);
  }
  std::string text;
  for (const monitor::Commands& topic : topics()) {
    for (const Command& command : topic) {
      text += summary(command);
    }
  }
  return text;
}

constexpr Command help_command[] = {
    {"help", "[WORD]", "this list, or more about one", "Every command has some.\n", &help}};

std::array<monitor::Commands, 7> topics() {
  return {help_command,
          monitor::machine_commands(),
          monitor::register_commands(),
          monitor::client_commands(),
          monitor::symbol_commands(),
          monitor::catch_commands(),
          monitor::table_commands()};
}

Output run(Conversation& c, std::string_view line) {
  line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
  if (line.empty()) return help(c, {});
  Scanner scanner(line);
  const std::string_view word = scanner.until(' ');
  const Command* command = find(word);
  return command ? command->run(c, scanner.rest()) : unknown(word);
}

/// gdb 13 shows an error code as "Protocol error", so what went wrong is said in words.
Answer answer(Conversation& c, std::string_view arguments) {
  const Bytes line = TRY(from_hex(arguments));
  const bool dumping = c.dump != nullptr;
  const auto output = run(c, text_of(line));
  if (!dumping && c.dump) return say_nothing(); // answered when it is done
  c.print(output ? *output : fmt::format("error: {}\n", output.error().what));
  return say_ok();
}

constexpr Row rows[] = {{"qRcmd,", Row::Match::prefix, &answer}};

} // namespace

Table monitor_packets() {
  return rows;
}

} // namespace kdbg::gdb
