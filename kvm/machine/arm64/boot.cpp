// What stands in an arm64 guest's memory before the first instruction: the image, the initrd, and
// the device tree.
#include "kvm/machine/arm64/device_tree.hpp"
#include "kvm/machine/arm64/virt.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace kdbg::kvm {
namespace {

constexpr std::uint64_t tree_room = 0x10000, large_page = 0x200000, small_page = 0x1000;
constexpr std::uint32_t gic_phandle = 1, clock_phandle = 2;
constexpr std::uint32_t shared = 0, each_cpu = 1, level_high = 4; // cells of an interrupt
constexpr std::size_t command_line_most = 2047;                   // COMMAND_LINE_SIZE of arm64

Status put(Ram& ram, std::uint64_t at, ByteView bytes, std::string_view what) {
  if (ram.write(GuestPhys{at}, bytes) == bytes.size()) return Done{};
  return Error{Code::bad_request,
               fmt::format("{} ({} bytes at {:#x}) does not fit the memory, which begins at {:#x}; "
                           "give it more with --memory",
                           what, bytes.size(), at, Virt::ram)};
}

std::uint32_t high(std::uint64_t value) {
  return static_cast<std::uint32_t>(value >> 32);
}
std::uint32_t low(std::uint64_t value) {
  return static_cast<std::uint32_t>(value);
}

void add_cpus(DeviceTree& tree, std::span<const std::uint64_t> affinities) {
  tree.begin("cpus");
  tree.cells("#address-cells", {1});
  tree.cells("#size-cells", {0});
  for (const std::uint64_t affinity : affinities) {
    tree.begin(fmt::format("cpu@{:x}", affinity));
    tree.text("device_type", "cpu");
    tree.text("compatible", "arm,armv8");
    tree.cells("reg", {low(affinity)});
    tree.text("enable-method", "psci");
    tree.end();
  }
  tree.end();
  tree.begin("psci");
  tree.texts("compatible", {"arm,psci-1.0", "arm,psci-0.2"});
  tree.text("method", "hvc");
  tree.end();
}

void add_interrupts(DeviceTree& tree, unsigned version, std::size_t vcpus) {
  tree.begin(fmt::format("intc@{:x}", Gic::distributor));
  const bool v3 = version == 3;
  tree.text("compatible", v3 ? "arm,gic-v3" : "arm,cortex-a15-gic");
  tree.cells("#interrupt-cells", {3});
  tree.flag("interrupt-controller");
  if (v3) {
    tree.ranges("reg",
                {Gic::distributor, 0x10000, Gic::redistributors, vcpus * Gic::redistributor_size});
  } else {
    tree.ranges("reg", {Gic::distributor, 0x1000, Gic::cpu_interface, 0x2000});
  }
  tree.cells("phandle", {gic_phandle});
  tree.end();
  tree.begin("timer"); // secure, non-secure, virtual, hypervisor
  tree.text("compatible", "arm,armv8-timer");
  const std::uint32_t flags = v3 ? level_high : level_high | ((1u << vcpus) - 1) << 8;
  tree.cells("interrupts",
             {each_cpu, 13, flags, each_cpu, 14, flags, each_cpu, 11, flags, each_cpu, 10, flags});
  tree.flag("always-on");
  tree.end();
}

void add_uart(DeviceTree& tree) {
  constexpr std::uint32_t clock = 24000000; // Hz
  tree.begin("apb-pclk");
  tree.text("compatible", "fixed-clock");
  tree.cells("#clock-cells", {0});
  tree.cells("clock-frequency", {clock});
  tree.cells("phandle", {clock_phandle});
  tree.end();
  tree.begin(fmt::format("pl011@{:x}", Virt::uart));
  tree.texts("compatible", {"arm,pl011", "arm,primecell"});
  tree.ranges("reg", {Virt::uart, Pl011::size});
  tree.cells("interrupts", {shared, Virt::uart_interrupt, level_high});
  tree.cells("clocks", {clock_phandle, clock_phandle});
  tree.texts("clock-names", {"uartclk", "apb_pclk"});
  tree.end();
}

/// Below the end of memory, clear of the image.
Result<std::uint64_t> place_initrd(const Image& image, std::uint64_t size, std::uint64_t top) {
  std::uint64_t end = Virt::ram;
  for (const auto& segment : image.segments) {
    end = std::max(end, segment.physical + segment.memory_size);
  }
  const std::uint64_t start = size < top - Virt::ram ? (top - size) & ~(small_page - 1) : 0;
  if (start >= end) return start;
  return Error{Code::bad_request,
               fmt::format("the initrd ({} bytes) does not fit between the image (up to {:#x}) and "
                           "the device tree ({:#x}); give it more with --memory",
                           size, end, top)};
}

} // namespace

Bytes Virt::device_tree(std::uint64_t initrd) const {
  DeviceTree tree;
  tree.begin("");
  tree.cells("#address-cells", {2});
  tree.cells("#size-cells", {2});
  tree.text("compatible", "linux,dummy-virt");
  if (parts_.options.irqchip) tree.cells("interrupt-parent", {gic_phandle});
  tree.begin("chosen");
  tree.text("bootargs", parts_.files.command_line);
  tree.text("stdout-path", fmt::format("/pl011@{:x}", uart));
  if (!parts_.files.initrd.empty()) {
    const std::uint64_t end = initrd + parts_.files.initrd.size();
    tree.cells("linux,initrd-start", {high(initrd), low(initrd)});
    tree.cells("linux,initrd-end", {high(end), low(end)});
  }
  tree.end();
  tree.begin(fmt::format("memory@{:x}", ram));
  tree.text("device_type", "memory");
  tree.ranges("reg", {ram, parts_.options.memory});
  tree.end();
  add_cpus(tree, affinities_);
  if (parts_.options.irqchip) add_interrupts(tree, gic_.version(), affinities_.size());
  add_uart(tree);
  tree.end();
  return std::move(tree).finish();
}

/// The tree is the last thing in memory, on a page of 2 MiB that the kernel can map by itself.
Status Virt::load(Ram& memory) {
  const std::uint64_t end = ram + parts_.options.memory;
  if (parts_.files.command_line.size() > command_line_most) {
    return Error{Code::bad_request,
                 fmt::format("the command line is {} bytes, at most {} fit",
                             parts_.files.command_line.size(), command_line_most)};
  }
  tree_ = (end - tree_room) & ~(large_page - 1);
  if (tree_ == ram) tree_ = std::min(end, ram + large_page) - tree_room; // the image begins there
  std::uint64_t initrd = 0;
  if (!parts_.files.initrd.empty()) {
    initrd = TRY(place_initrd(parts_.image, parts_.files.initrd.size(), tree_));
    TRY(put(memory, initrd, parts_.files.initrd, "the initrd"));
  }
  const Bytes tree = device_tree(initrd);
  if (tree.size() > tree_room) {
    return Error{Code::bad_request, fmt::format("the device tree is {} bytes, at most {} fit",
                                                tree.size(), tree_room)};
  }
  for (const auto& segment : parts_.image.segments) {
    const std::uint64_t last = segment.physical + segment.memory_size;
    if (segment.physical < ram || last > end ||
        (segment.physical < tree_ + tree_room && last > tree_)) {
      return Error{
          Code::bad_request,
          fmt::format("the image's segment {:#x}-{:#x} is not between the start of memory, "
                      "{:#x}, and the device tree, {:#x}",
                      segment.physical, last, ram, tree_)};
    }
    TRY(put(memory, segment.physical, segment.bytes, "the image"));
  }
  return put(memory, tree_, tree, "the device tree");
}

} // namespace kdbg::kvm
