#include "adapter/types.hpp"

#include <fmt/format.h>

namespace kdbg {

std::string_view name(PointKind kind) {
  switch (kind) {
  case PointKind::software:
    return "software";
  case PointKind::hardware:
    return "hardware";
  case PointKind::write:
    return "write";
  case PointKind::read:
    return "read";
  case PointKind::access:
    return "access";
  case PointKind::port:
    return "port";
  case PointKind::mmio:
    return "mmio";
  case PointKind::msr:
    return "msr";
  case PointKind::hypercall:
    return "hypercall";
  case PointKind::exception:
    return "exception";
  }
  return "unknown";
}

std::string describe(const Address& address) {
  switch (address.space.kind) {
  case Space::Kind::current:
    break;
  case Space::Kind::root:
    return fmt::format("{:#x} under root {:#x}", address.value, address.space.root);
  case Space::Kind::physical:
    return fmt::format("physical {:#x}", address.value);
  }
  return fmt::format("{:#x}", address.value);
}

namespace {

std::string describe_catch(const Point& point) {
  std::string text = fmt::format("{} catchpoint at {:#x}", name(point.kind), point.at.value);
  if (point.length != 1) text += fmt::format("-{:#x}", point.at.value + (point.length - 1));
  if (point.reads != point.writes) text += point.reads ? ", reads" : ", writes";
  if (point.value) text += fmt::format(", value {:#x}", *point.value);
  return text;
}

} // namespace

std::string describe(const Point& point) {
  if (is_catch(point.kind)) return describe_catch(point);
  if (!is_watch(point.kind)) {
    return fmt::format("{} point at {}", name(point.kind), describe(point.at));
  }
  return fmt::format("{} watch of {} byte{} at {}", name(point.kind), point.length,
                     point.length == 1 ? "" : "s", describe(point.at));
}

} // namespace kdbg
