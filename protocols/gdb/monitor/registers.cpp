// The selected vCPU: all its registers, what an address is, and where its pc really is.
#include "adapter/commands.hpp"
#include "protocols/gdb/monitor/command.hpp"
#include "protocols/gdb/text.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace kdbg::gdb::monitor {
namespace {

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
  const std::uint64_t at = TRY(parse_address(arguments));
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

/// The low 64 bits of a register; nothing when this CPU family has none of that name.
Result<std::optional<std::uint64_t>> read_named(Conversation& c, std::string_view name) {
  const auto table = c.target().arch().registers;
  const auto found = std::find_if(table.begin(), table.end(),
                                  [&](const RegisterInfo& info) { return info.name == name; });
  if (found == table.end()) return std::optional<std::uint64_t>{};
  const auto id = static_cast<RegisterId>(found - table.begin());
  return std::optional(low_bits(TRY(c.session.execute(ReadRegister{c.general, id}))));
}

/// Where code is fetched.
struct CodePlace {
  std::uint64_t pc = 0, base = 0, linear = 0;
  std::string_view bits;
};

/// The width of x86 code (SDM vol. 3, 3.4.5): by the code segment's L bit in long mode, else by
/// its D bit. The attributes are the descriptor's, bits 8 to 15 and 20 to 23 of its upper half.
CodePlace
x86_place(std::uint64_t pc, std::uint64_t base, std::uint64_t attributes, bool long_mode) {
  const bool wide = long_mode && (attributes >> 13 & 1) != 0;
  if (wide) return {pc, 0, pc, "64-bit"};
  const std::uint64_t linear = (base + pc) & 0xffffffff;
  const bool bits32 = (attributes >> 14 & 1) != 0;
  return {pc, base, linear, bits32 ? "32-bit" : "16-bit"};
}

Result<CodePlace> code_place(Conversation& c) {
  const ArchInfo& arch = c.target().arch();
  const auto pc = TRY(read_named(c, arch.registers[index(arch.pc)].name)).value_or(0);
  const auto base = TRY(read_named(c, "cs_base"));
  const auto attributes = TRY(read_named(c, "cs_attr"));
  const auto efer = TRY(read_named(c, "efer"));
  if (!base || !attributes || !efer) return CodePlace{pc, 0, pc, {}};
  return x86_place(pc, *base, *attributes, (*efer >> 10 & 1) != 0);
}

std::string render(const std::vector<CodeLine>& lines) {
  std::string text;
  for (const CodeLine& line : lines) {
    text += fmt::format("  {:#x}: {:<22} {}\n", line.address, to_hex(line.bytes), line.text);
  }
  return text;
}

Output linear_pc(Conversation& c, std::string_view) {
  const CodePlace place = TRY(code_place(c));
  std::string text = fmt::format("pc {:#x}", place.pc);
  if (!place.bits.empty()) {
    text += fmt::format(", code segment at {:#x}, {}", place.base, place.bits);
  }
  text += fmt::format("\nlinear {:#x}\n", place.linear);
  const auto code = c.session.execute(Disassemble{c.general, place.linear, 5});
  return text + (code ? render(*code) : fmt::format("{}\n", code.error().what));
}

/// ADDR [COUNT]
Output disassemble(Conversation& c, std::string_view arguments) {
  constexpr std::uint64_t usual = 10, most = 1000;
  Scanner scanner(arguments);
  const std::string_view where = scanner.until(' ');
  const std::uint64_t at = where.empty() ? TRY(code_place(c)).linear : TRY(parse_address(where));
  const std::uint64_t count = scanner.done() ? usual : TRY(scanner.hex("count"));
  TRY(scanner.finish());
  if (count == 0 || count > most) {
    return Error{Code::bad_request, fmt::format("{:#x} instructions: 1 to {:#x}", count, most)};
  }
  return render(TRY(c.session.execute(Disassemble{c.general, at, count})));
}

constexpr Command commands[] = {
    {"regs", "", "every register of the selected vCPU",
     "Also those that gdb reads one by one: descriptor caches, debug registers, MSRs.\n",
     &registers},
    {"translate", "ADDR", "page-table walk",
     "ADDR is a virtual address in hex; the walk begins at the selected vCPU's page-table root.\n",
     &translate},
    {"linear-pc", "", "where the next instruction really is",
     "gdb takes pc for an address, but in real mode and with segments that have a base the code "
     "is\n"
     "at the segment's base plus pc. Shows the linear address and the code there as the CPU runs "
     "it.\n",
     &linear_pc},
    {"disas", "[ADDR] [N]", "code as this vCPU would run it, in its mode",
     "N instructions (10, hex) at the linear address ADDR (hex), or at the next one. gdb's own "
     "x/i\n"
     "takes all code for 64-bit code while it is connected to a 64-bit CPU.\n",
     &disassemble},
};

} // namespace

Commands register_commands() {
  return commands;
}

Result<std::uint64_t> parse_address(std::string_view text) {
  if (text.starts_with("0x")) text.remove_prefix(2);
  Scanner scanner(text);
  const std::uint64_t at = TRY(scanner.hex("address"));
  TRY(scanner.finish());
  return at;
}

} // namespace kdbg::gdb::monitor
