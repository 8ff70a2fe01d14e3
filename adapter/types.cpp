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

std::string describe(const Point& point) {
  if (!is_watch(point.kind)) {
    return fmt::format("{} point at {}", name(point.kind), describe(point.at));
  }
  return fmt::format("{} watch of {} byte{} at {}", name(point.kind), point.length,
                     point.length == 1 ? "" : "s", describe(point.at));
}

} // namespace kdbg
