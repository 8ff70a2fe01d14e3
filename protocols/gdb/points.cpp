#include "protocols/gdb/points.hpp"

#include "adapter/commands.hpp"
#include "protocols/gdb/conversation.hpp"
#include "protocols/gdb/range.hpp"

#include <fmt/format.h>

namespace kdbg::gdb {
namespace {

Result<PointKind> parse_kind(Scanner& scanner) {
  const std::uint64_t type = TRY(scanner.hex("point type"));
  if (type <= static_cast<std::uint64_t>(PointKind::access)) return static_cast<PointKind>(type);
  return Error{Code::unsupported, fmt::format("no point type {}: the last is 4", type)};
}

/// TYPE,ADDR,KIND
Result<Point> parse_point(const Conversation& c, std::string_view arguments) {
  Scanner scanner(arguments);
  const PointKind kind = TRY(parse_kind(scanner));
  TRY(scanner.expect(','));
  const std::uint64_t at = TRY(scanner.hex("address"));
  TRY(scanner.expect(','));
  const std::uint64_t length = TRY(scanner.hex("kind"));
  if (scanner.take(';')) {
    return Error{Code::unsupported, "conditions and commands at a point are not supported"};
  }
  TRY(scanner.finish());
  const Point point{kind, c.address(at), length};
  if (length == 0) return Error{Code::bad_request, describe(point) + " has no length"};
  if (Range{at, length}.wraps()) {
    return Error{Code::bad_request, describe(point) + " goes beyond the address space"};
  }
  return point;
}

Answer insert(Conversation& c, std::string_view arguments) {
  const Point point = TRY(parse_point(c, arguments));
  const Capabilities& can = c.target().capabilities();
  // An empty answer makes gdb watch by stepping itself. Never for the others: gdb would then write
  // breakpoint instructions into guest memory on its own.
  const bool watches = can.hardware_watch || can.stepped_watch ||
                       (can.protected_watch && point.kind == PointKind::write);
  if (is_watch(point.kind) && !watches) return say_unknown();
  if (!c.session.keeps_points()) TRY(c.session.execute(InsertPoint{c.general, point}));
  return say_ok();
}

Answer remove(Conversation& c, std::string_view arguments) {
  const Point point = TRY(parse_point(c, arguments));
  if (!c.session.keeps_points()) TRY(c.session.execute(RemovePoint{point}));
  return say_ok();
}

constexpr Row rows[] = {
    {"Z", Row::Match::prefix, &insert},
    {"z", Row::Match::prefix, &remove},
};

} // namespace

Table point_packets() {
  return rows;
}

} // namespace kdbg::gdb
