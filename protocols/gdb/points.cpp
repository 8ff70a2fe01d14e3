#include "protocols/gdb/points.hpp"

#include "adapter/bytecode.hpp"
#include "adapter/commands.hpp"
#include "protocols/gdb/conversation.hpp"
#include "protocols/gdb/range.hpp"
#include "protocols/gdb/text.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <iterator>

namespace kdbg::gdb {
namespace {

Result<PointKind> parse_kind(Scanner& scanner) {
  const std::uint64_t type = TRY(scanner.hex("point type"));
  if (type <= static_cast<std::uint64_t>(PointKind::access)) return static_cast<PointKind>(type);
  return Error{Code::unsupported, fmt::format("no point type {}: the last is 4", type)};
}

/// TYPE,ADDR,KIND
Result<Point> parse_point(const Conversation& c, Scanner& scanner) {
  const PointKind kind = TRY(parse_kind(scanner));
  TRY(scanner.expect(','));
  const std::uint64_t at = TRY(scanner.hex("address"));
  TRY(scanner.expect(','));
  const std::uint64_t length = TRY(scanner.hex("kind"));
  const Point point{kind, c.address(at), length};
  if (length == 0) return Error{Code::bad_request, describe(point) + " has no length"};
  if (Range{at, length}.wraps()) {
    return Error{Code::bad_request, describe(point) + " goes beyond the address space"};
  }
  return point;
}

/// XLEN,BYTES, as many as there are, one right behind the other.
Result<std::vector<Expression>> parse_expressions(Scanner& scanner) {
  std::vector<Expression> out;
  while (scanner.take('X')) {
    const std::uint64_t length = TRY(scanner.hex("length of an expression"));
    TRY(scanner.expect(','));
    if (length == 0 || length > longest_bytecode) {
      return Error{Code::bad_request, fmt::format("an expression of {} bytes: 1 to {} are taken",
                                                  length, longest_bytecode)};
    }
    const std::string_view digits = TRY(scanner.exactly(2 * length));
    Bytes code = TRY(from_hex(digits));
    TRY(check_bytecode(code));
    out.push_back({std::move(code), {}});
  }
  return out;
}

/// [;X…][;cmds:PERSIST,X…]: conditions, of which one will do, and what is printed instead of a
/// stop. PERSIST asks to go on when the client has left: its points go with it here.
Result<Rule> parse_rule(Scanner& scanner) {
  Rule rule;
  while (scanner.take(';')) {
    if (!scanner.take_word("cmds:")) {
      std::vector<Expression> more = TRY(parse_expressions(scanner));
      std::move(more.begin(), more.end(), std::back_inserter(rule.conditions));
      continue;
    }
    TRY(scanner.hex("persist"));
    TRY(scanner.expect(','));
    rule.log = TRY(parse_expressions(scanner));
  }
  TRY(scanner.finish());
  return rule;
}

Answer insert(Conversation& c, std::string_view arguments) {
  Scanner scanner(arguments);
  const Point point = TRY(parse_point(c, scanner));
  Rule rule = TRY(parse_rule(scanner));
  const Capabilities& can = c.target().capabilities();
  // An empty answer makes gdb watch by stepping itself. Never for the others: gdb would then write
  // breakpoint instructions into guest memory on its own.
  const bool watches = can.hardware_watch || can.stepped_watch ||
                       (can.protected_watch && point.kind == PointKind::write);
  if (is_watch(point.kind) && !watches) return say_unknown();
  if (!c.session.keeps_points()) {
    TRY(c.session.execute(InsertPoint{c.general, point, std::move(rule)}));
  }
  return say_ok();
}

Answer remove(Conversation& c, std::string_view arguments) {
  Scanner scanner(arguments);
  const Point point = TRY(parse_point(c, scanner));
  TRY(scanner.finish());
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
