// What the CPU was told by its tables and MSRs, and when the guest stopped: also jKvm packets,
// which gather the same values.
#include "adapter/commands.hpp"
#include "protocols/gdb/jkvm/values.hpp"
#include "protocols/gdb/monitor/command.hpp"
#include "protocols/gdb/stop_reply.hpp"
#include "protocols/gdb/text.hpp"

#include <chrono>
#include <fmt/chrono.h>

namespace kdbg::gdb::monitor {
namespace {

std::string render(const Descriptor& entry, TableKind table) {
  std::string text = fmt::format("{:#5x}: {}, {:#x}", entry.number, entry.kind, entry.base);
  if (table == TableKind::tss) return text + "\n";
  if (table != TableKind::idt && entry.limit != 0) {
    text += fmt::format(", limit {:#x}", entry.limit);
  }
  if (entry.selector != 0) text += fmt::format(", selector {:#x}", entry.selector);
  if (entry.stack != 0) text += fmt::format(", stack {}", entry.stack);
  return text + fmt::format(", ring {}{}\n", entry.privilege, entry.present ? "" : ", not present");
}

Output descriptors(Conversation& c, std::string_view name) {
  constexpr std::uint64_t most = 8192;
  const TableKind table = TRY(parse_table(name));
  const DescriptorList found = TRY(c.session.execute(ReadDescriptors{c.general, table, 0, most}));
  std::string text = fmt::format("{} at {:#x}, limit {:#x}\n", name, found.base, found.limit);
  for (const Descriptor& entry : found.entries) {
    text += render(entry, table);
  }
  return text;
}

/// NUMBER [VALUE]
Output msr(Conversation& c, std::string_view arguments) {
  Scanner scanner(arguments);
  const std::uint64_t number = TRY(parse_address(scanner.until(' ')));
  if (number > 0xffffffff) {
    return Error{Code::bad_request, fmt::format("MSR {:#x}: numbers have 32 bits", number)};
  }
  const auto narrow = static_cast<std::uint32_t>(number);
  if (!scanner.done()) {
    const std::uint64_t value = TRY(parse_address(scanner.rest()));
    TRY(c.session.execute(WriteMsr{c.general, narrow, value}));
  }
  const std::uint64_t value = TRY(c.session.execute(ReadMsr{c.general, narrow}));
  return fmt::format("msr {:#x} = {:#x}\n", number, value);
}

Output stops(Conversation& c, std::string_view) {
  constexpr std::size_t shown = 32;
  std::string text;
  for (const PastStop& past : TRY(c.session.execute(ListStops{shown}))) {
    const auto time = std::chrono::floor<std::chrono::milliseconds>(past.time);
    const std::string by =
        past.resumed_by ? fmt::format(", client {}", static_cast<std::uint32_t>(*past.resumed_by))
                        : std::string();
    for (const VcpuStop& vcpu : past.stop.vcpus) {
      text += fmt::format("{:%T} run {}{}: vCPU {}: {}\n", time.time_since_epoch(), past.stop.epoch,
                          by, index(vcpu.vcpu), render_reasons(past.stop, vcpu.vcpu));
    }
  }
  return text.empty() ? std::string("no stops yet\n") : text;
}

constexpr Command commands[] = {
    {"table", "NAME", "idt, gdt, ldt or tss, decoded",
     "Of the selected vCPU, without entries that are all zeros: kind, and where a gate leads or a\n"
     "segment begins.\n",
     &descriptors},
    {"msr", "N [VALUE]", "a model-specific register",
     "N and VALUE in hex. With VALUE it is written first; gdb still shows what it has read "
     "before:\n"
     "use `maintenance flush register-cache`.\n",
     &msr},
    {"stops", "", "when the guest stopped, and why",
     "The latest 32 stops: time of day (UTC), number of the run, who resumed it, and the "
     "reasons.\n",
     &stops},
};

} // namespace

Commands table_commands() {
  return commands;
}

} // namespace kdbg::gdb::monitor
