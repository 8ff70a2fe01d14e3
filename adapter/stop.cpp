#include "adapter/stop.hpp"

#include <array>
#include <fmt/format.h>

namespace kdbg {
namespace {

std::string hex_of(const Bytes& bytes) {
  std::string text;
  for (std::byte b : bytes) {
    text += fmt::format("{:02x}", std::to_integer<unsigned>(b));
  }
  return text;
}

std::string describe_watch(const HitWatch& hit) {
  auto text = fmt::format("{} hit at {:#x}", describe(hit.point), hit.address);
  if (!hit.before.empty() && !hit.after.empty()) {
    text += fmt::format(": {} -> {}", hex_of(hit.before), hex_of(hit.after));
  }
  return text;
}

std::string describe_caught(const Caught& caught) {
  std::string text;
  switch (caught.point.kind) {
  case PointKind::exception:
    text = fmt::format("caught exception {}, error code {:#x}", caught.number, caught.value);
    break;
  case PointKind::hypercall:
    text = fmt::format("caught hypercall {:#x}", caught.number);
    break;
  default:
    text = fmt::format("caught {} of {} {:#x}: {:#x}", caught.write ? "a write" : "a read",
                       name(caught.point.kind), caught.number, caught.value);
    if (caught.length != 0) {
      text += fmt::format(", {} byte{}", caught.length, caught.length == 1 ? "" : "s");
    }
    break;
  }
  return caught.note.empty() ? text : text + ", " + caught.note;
}

std::string describe_interrupt(const Interrupted& interrupt) {
  if (!interrupt.by) return "interrupted";
  return fmt::format("interrupted by client {}", static_cast<std::uint32_t>(*interrupt.by));
}

} // namespace

std::string_view kind_of(const StopReason& reason) {
  constexpr std::array<std::string_view, std::variant_size_v<StopReason>> kinds = {
      "entry", "step", "point", "watch", "catch", "interrupt", "crash", "halt", "powerOff"};
  return kinds[reason.index()];
}

namespace {

std::string describe_alone(const StopReason& reason) {
  return std::visit(
      Match{
          [](const AtEntry&) { return std::string("at entry"); },
          [](const Stepped& step) {
            return std::string(step.waits ? "waits for an interrupt" : "stepped");
          },
          [](const HitPoint& hit) { return describe(hit.point); },
          [](const HitWatch& hit) { return describe_watch(hit); },
          [](const Caught& caught) { return describe_caught(caught); },
          [](const Interrupted& interrupt) { return describe_interrupt(interrupt); },
          [](const Crashed& crash) { return fmt::format("crashed: {}", crash.what); },
          [](const Halted&) { return std::string("halted for good"); },
          [](const PoweredOff& off) { return fmt::format("powered off, status {}", off.status); },
      },
      reason);
}

} // namespace

std::string describe(const StopReason& reason) {
  std::string text = describe_alone(reason);
  StopReason copy = reason;
  const Matched* matched = matched_of(copy);
  return matched == nullptr || matched->note.empty() ? text : text + "; " + matched->note;
}

const Point* point_of(const StopReason& reason) {
  return std::visit(
      [](const auto& why) -> const Point* {
        if constexpr (requires { why.point; }) return &why.point;
        return nullptr;
      },
      reason);
}

Matched* matched_of(StopReason& reason) {
  return std::visit(
      [](auto& why) -> Matched* {
        if constexpr (requires { why.matched; }) return &why.matched;
        return nullptr;
      },
      reason);
}

std::optional<int> powered_off(const Stop& stop) {
  for (const VcpuStop& stopped : stop.vcpus) {
    for (const StopReason& reason : stopped.reasons) {
      if (const auto* off = std::get_if<PoweredOff>(&reason)) return off->status;
    }
  }
  return {};
}

} // namespace kdbg
