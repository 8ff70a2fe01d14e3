#include "protocols/gdb/kernel.hpp"

#include "adapter/commands.hpp"

namespace kdbg::gdb {
namespace {

constexpr std::uint64_t kernel_map = 0xffffffff80000000, kernel_map_end = 0xffffffffc0000000;
constexpr std::uint64_t slide_unit = 0x200000; ///< CONFIG_PHYSICAL_ALIGN

std::optional<std::uint64_t> read_register(const Conversation& c, std::string_view name) {
  const auto registers = c.target().arch().registers;
  for (std::size_t i = 0; i < registers.size(); ++i) {
    if (registers[i].name != name) continue;
    auto bytes = c.session.execute(ReadRegister{c.general, static_cast<RegisterId>(i)});
    if (!bytes) return {};
    std::uint64_t value = 0;
    for (std::size_t at = std::min<std::size_t>(bytes->size(), 8); at-- != 0;) {
      value = value << 8 | std::to_integer<std::uint64_t>((*bytes)[at]);
    }
    return value;
  }
  return {};
}

/// Of vector 0: every kernel has one, from before start_kernel on.
std::optional<std::uint64_t> first_handler(const Conversation& c) {
  constexpr std::size_t gate_bytes = 16; // SDM vol. 3, figure 6-8
  const auto table = read_register(c, "idtr_base");
  if (!table) return {};
  auto gate = c.session.execute(ReadMemory{c.general, Address{*table}, gate_bytes});
  if (!gate || gate->size() != gate_bytes) return {};
  const auto byte = [&](std::size_t at) { return std::to_integer<std::uint64_t>((*gate)[at]); };
  return byte(0) | byte(1) << 8 | byte(6) << 16 | byte(7) << 24 | byte(8) << 32 | byte(9) << 40 |
         byte(10) << 48 | byte(11) << 56;
}

} // namespace

/// Nothing is mapped below a kernel's text (__startup_64 and cleanup_highmap see to that), so the
/// mapping that holds a handler begins where the kernel does.
std::optional<std::uint64_t> kernel_slide(const Conversation& c) {
  if (!c.settings.linux_guest || c.target().running()) return {};
  const auto handler = first_handler(c);
  if (!handler || *handler < kernel_map || *handler >= kernel_map_end) return {};
  constexpr unsigned most_regions = 16; // of different rights, in a row
  std::uint64_t start = *handler;
  for (unsigned i = 0; i < most_regions && start > kernel_map; ++i) {
    auto below = c.session.execute(FindRegion{c.general, Address{i == 0 ? start : start - 1}});
    if (!below || !below->mapped) break;
    start = below->start;
  }
  if (start < kernel_link_address || (start - kernel_link_address) % slide_unit != 0) return {};
  return start - kernel_link_address;
}

} // namespace kdbg::gdb
