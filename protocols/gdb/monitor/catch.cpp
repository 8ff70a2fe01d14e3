// Catchpoints: what the guest asks of its machine, and what its CPU raises. gdb's own `catch` knows
// none of these and RSP has no packet for them.
#include "adapter/commands.hpp"
#include "protocols/gdb/jkvm/values.hpp"
#include "protocols/gdb/monitor/command.hpp"
#include "protocols/gdb/text.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>

namespace kdbg::gdb::monitor {
namespace {

constexpr std::pair<std::string_view, PointKind> kinds[] = {{"port", PointKind::port},
                                                            {"mmio", PointKind::mmio},
                                                            {"msr", PointKind::msr},
                                                            {"hypercall", PointKind::hypercall},
                                                            {"exception", PointKind::exception}};

/// 0x3f8 or 1016.
Result<std::uint64_t> parse_number(std::string_view text) {
  const bool hex = text.starts_with("0x");
  std::uint64_t value = 0;
  const std::string_view digits = hex ? text.substr(2) : text;
  const auto end = digits.data() + digits.size();
  const auto [at, error] = std::from_chars(digits.data(), end, value, hex ? 16 : 10);
  if (error == std::errc{} && at == end) return value;
  return Error{Code::bad_request, fmt::format("\"{}\" is not a number: 0x3f8 or 1016", text)};
}

/// FIRST, FIRST-LAST or, of exceptions, a name.
Status parse_numbers(std::string_view text, Point& point) {
  if (point.kind == PointKind::exception) {
    if (const auto vector = exception_named(text)) {
      point.at.value = *vector;
      return Done{};
    }
  }
  const std::size_t dash = text.find('-');
  point.at.value = TRY(parse_number(text.substr(0, dash)));
  if (dash == std::string_view::npos) return Done{};
  const std::uint64_t last = TRY(parse_number(text.substr(dash + 1)));
  point.length = last - point.at.value + 1;
  if (last >= point.at.value && point.length != 0) return Done{};
  return Error{Code::bad_request, fmt::format("\"{}\" is no range: FIRST-LAST", text)};
}

std::string_view next_word(Scanner& scanner) {
  while (scanner.take(' ')) {
  }
  return scanner.until(' ');
}

Result<Point> parse(std::string_view kind, Scanner& scanner) {
  const auto known = std::find_if(std::begin(kinds), std::end(kinds),
                                  [&](const auto& entry) { return entry.first == kind; });
  if (known == std::end(kinds)) {
    return Error{Code::bad_request,
                 fmt::format("cannot catch \"{}\": port, mmio, msr, hypercall or exception", kind)};
  }
  Point point{known->second};
  TRY(parse_numbers(next_word(scanner), point));
  for (std::string_view word = next_word(scanner); !word.empty(); word = next_word(scanner)) {
    if (word == "read") {
      point.writes = false;
    } else if (word == "write") {
      point.reads = false;
    } else if (word == "value") {
      point.value = TRY(parse_number(next_word(scanner)));
    } else {
      return Error{Code::bad_request,
                   fmt::format("\"{}\" after a catchpoint: read, write or value V", word)};
    }
  }
  return point;
}

Output list(Conversation& c) {
  const auto points = TRY(list_catchpoints(c));
  if (points.empty()) return std::string("no catchpoints\n");
  std::string text;
  for (std::size_t i = 0; i < points.size(); ++i) {
    text += fmt::format("{}: {}: {}, {} hits\n", i + 1, describe(points[i].point),
                        points[i].strategy, points[i].hits);
  }
  return text;
}

Output remove(Conversation& c, std::string_view which) {
  const auto points = TRY(list_catchpoints(c));
  const bool all = which == "all";
  const std::uint64_t number = all ? 0 : TRY(parse_number(which));
  if (!all && (number == 0 || number > points.size())) {
    return Error{Code::bad_request,
                 fmt::format("no catchpoint {}: there are {}", number, points.size())};
  }
  for (std::size_t i = 0; i < points.size(); ++i) {
    if (all || i + 1 == number) TRY(c.session.execute(RemovePoint{points[i].point}));
  }
  return std::string("deleted\n");
}

Output catch_command(Conversation& c, std::string_view arguments) {
  Scanner scanner(arguments);
  const std::string_view word = next_word(scanner);
  if (word.empty()) return list(c);
  if (word == "delete") return remove(c, next_word(scanner));
  const Point point = TRY(parse(word, scanner));
  TRY(c.session.execute(InsertPoint{c.general, point}));
  return describe(point) + "\n";
}

constexpr Command commands[] = {
    {"catch", "[KIND N …]", "stop at ports, MMIO, MSRs, hypercalls, exceptions",
     "catch port 0x3f8-0x3ff write value 0x41   I/O ports, as the machine sees them\n"
     "catch mmio 0xfed00000-0xfed003ff read     physical addresses without memory\n"
     "catch msr 0xc0000080                      rdmsr and wrmsr\n"
     "catch hypercall 12                        those that KVM hands over\n"
     "catch exception #PF value 2               the handler's first instruction; by name or "
     "vector,\n"
     "                                          value: the error code. `int N` looks the same.\n"
     "catch                                     the catchpoints, numbered\n"
     "catch delete N|all\n"
     "Ranges and values are optional, as are read and write. The access has been done when the "
     "guest\n"
     "stops.\n",
     &catch_command},
};

} // namespace

Commands catch_commands() {
  return commands;
}

} // namespace kdbg::gdb::monitor
