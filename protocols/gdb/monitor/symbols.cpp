// What the client's symbols tell of the guest.
#include "protocols/gdb/symbols.hpp"

#include "adapter/commands.hpp"
#include "protocols/gdb/monitor/command.hpp"
#include "protocols/gdb/text.hpp"

#include <fmt/format.h>

namespace kdbg::gdb::monitor {
namespace {

Output symbols(Conversation& c, std::string_view) {
  if (c.symbols_asked == 0) {
    return std::string("the client has offered no symbols: give it the guest's file (gdb: file "
                       "vmlinux)\n");
  }
  std::string text;
  for (std::string_view name : wanted_symbols()) {
    const auto found = c.symbols.find(std::string(name));
    text += found == c.symbols.end() ? fmt::format("{:<14} not known to the client\n", name)
                                     : fmt::format("{:<14} {:#x}\n", name, found->second);
  }
  return text;
}

Output show_linux(Conversation& c, std::string_view) {
  constexpr std::string_view begins = "Linux version ";
  constexpr std::size_t longest = 512;
  const auto banner = c.symbols.find("linux_banner");
  if (banner == c.symbols.end()) {
    return std::string("no linux_banner among the client's symbols: the guest is no Linux, or gdb "
                       "was not given its vmlinux\n");
  }
  const Bytes bytes =
      TRY(c.session.execute(ReadMemory{c.general, Address{banner->second}, longest}));
  const std::string_view text = text_of(bytes);
  if (!text.starts_with(begins)) {
    return fmt::format(
        "there is no \"{}...\" at {:#x}, where linux_banner should be: the kernel is "
        "not there yet, was moved (boot it with nokaslr), or is another one\n",
        begins, banner->second);
  }
  const std::string_view line = text.substr(0, text.find_first_of(std::string_view("\n\0", 2)));
  return fmt::format("{}\n", line);
}

constexpr Command commands[] = {
    {"symbols", "", "what this client's symbols told the server",
     "gdb is asked for a few of Linux's symbols when it connects or reads a symbol file.\n",
     &symbols},
    {"linux", "", "the version of the guest's Linux",
     "Read from guest memory, where the client's symbols say that linux_banner is.\n", &show_linux},
};

} // namespace

Commands symbol_commands() {
  return commands;
}

} // namespace kdbg::gdb::monitor
