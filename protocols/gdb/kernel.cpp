#include "protocols/gdb/kernel.hpp"

#include "adapter/commands.hpp"

namespace kdbg::gdb {
namespace {

constexpr std::uint64_t kernel_map = 0xffffffff80000000, kernel_map_end = 0xffffffffc0000000;
constexpr std::uint64_t slide_unit = 0x200000; ///< CONFIG_PHYSICAL_ALIGN

} // namespace

/// Nothing is mapped below a kernel's text (__startup_64 and cleanup_highmap see to that), so the
/// mapping that holds a handler begins where the kernel does.
std::optional<std::uint64_t> kernel_slide(const Conversation& c) {
  if (!c.settings.linux_guest || c.session.running()) return {};
  // every kernel has one, from before start_kernel on
  auto first = c.session.execute(ReadDescriptors{c.general, TableKind::idt, 0, 1});
  if (!first || first->entries.empty()) return {};
  const std::uint64_t handler = first->entries.front().base;
  if (handler < kernel_map || handler >= kernel_map_end) return {};
  constexpr unsigned most_regions = 16; // of different rights, in a row
  std::uint64_t start = handler;
  for (unsigned i = 0; i < most_regions && start > kernel_map; ++i) {
    auto below = c.session.execute(FindRegion{c.general, Address{i == 0 ? start : start - 1}});
    if (!below || !below->mapped) break;
    start = below->start;
  }
  if (start < kernel_link_address || (start - kernel_link_address) % slide_unit != 0) return {};
  return start - kernel_link_address;
}

} // namespace kdbg::gdb
