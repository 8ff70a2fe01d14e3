#include "protocols/gdb/jkvm/wishes.hpp"

#include "adapter/expression.hpp"
#include "protocols/gdb/range.hpp"

#include <fmt/format.h>
#include <map>

namespace kdbg::gdb::jkvm {
namespace {

Error bad(std::string what) {
  return {Code::bad_request, std::move(what)};
}

Result<PointKind> kind_in(const Json& arguments) {
  const auto word = arguments["kind"].get<std::string>();
  for (const PointKind kind : {PointKind::software, PointKind::hardware, PointKind::write,
                               PointKind::read, PointKind::access}) {
    if (name(kind) == word) return kind;
  }
  return bad(fmt::format("no kind \"{}\": software, hardware, write, read or access", word));
}

Result<Space> space_in(const Json& arguments) {
  const auto root = number_in(arguments, "root");
  const std::string word = arguments.value("space", root ? "root" : "current");
  if (root.has_value() != (word == "root")) {
    return bad(fmt::format("space \"{}\": a root goes with space root, and only with it", word));
  }
  if (root) return Space{Space::Kind::root, *root};
  if (word == "current") return Space{};
  if (word == "physical") return Space{Space::Kind::physical};
  return bad(fmt::format("no space \"{}\": current, root or physical", word));
}

using Symbols = std::map<std::string, std::uint64_t, std::less<>>;

/// NAME=ADDRESS, each.
Result<Symbols> symbols_in(const Json& arguments) {
  Symbols out;
  if (!arguments.contains("symbols")) return out;
  for (const Json& each : arguments["symbols"]) {
    const std::string text = each.is_string() ? each.get<std::string>() : std::string();
    const std::size_t equals = text.find('=');
    const auto address =
        equals == std::string::npos ? std::nullopt : as_number(Json(text.substr(equals + 1)));
    if (!address) {
      return bad(fmt::format("{} is no symbol: \"name=0x1000\" is meant", render(each)));
    }
    out[text.substr(0, equals)] = *address;
  }
  return out;
}

/// Which argument it was that could not be compiled.
Error about(std::string_view argument, const Error& error) {
  return {error.code, fmt::format("\"{}\": {}", argument, error.what)};
}

} // namespace

Result<Point> point_in(const Json& arguments) {
  Point point{TRY(kind_in(arguments))};
  point.at = {*number_in(arguments, "address"), TRY(space_in(arguments))};
  point.length = number_in(arguments, "length").value_or(1);
  if (point.length == 0 || Range{point.at.value, point.length}.wraps()) {
    return bad(describe(point) + ": a length of at least 1, within the address space");
  }
  return point;
}

Result<Rule> rule_in(const Conversation& c, const Json& arguments) {
  const Symbols symbols = TRY(symbols_in(arguments));
  const Names names{c.target().arch(), [&](std::string_view name) {
                      const auto found = symbols.find(name);
                      return found == symbols.end() ? std::nullopt : std::optional(found->second);
                    }};
  Rule rule;
  if (arguments.contains("condition")) {
    auto condition = compile_condition(arguments["condition"].get<std::string>(), names);
    if (!condition) return about("condition", condition.error());
    rule.conditions.push_back(*std::move(condition));
  }
  if (arguments.contains("hits")) rule.hits = TRY(parse_hits(arguments["hits"].get<std::string>()));
  if (arguments.contains("log")) {
    auto log = compile_log(arguments["log"].get<std::string>(), names);
    if (!log) return about("log", log.error());
    rule.log.push_back(*std::move(log));
  }
  return rule;
}

} // namespace kdbg::gdb::jkvm
