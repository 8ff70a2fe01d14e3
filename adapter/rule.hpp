#pragma once
/// What a client attaches to a point: when it stops, and what is logged instead. Decided where the
/// point is hit, so that what does not match costs the client nothing. Knows no evaluator.
#include "adapter/result.hpp"
#include "adapter/types.hpp"

namespace kdbg {

struct Expression {
  Bytes code;       ///< adapter/bytecode.hpp
  std::string text; ///< as a person wrote it; empty where only the code came
  auto operator<=>(const Expression&) const = default;
};

/// Which of the times that a condition holds, counted from 1.
struct HitCondition {
  enum class Kind : std::uint8_t { always, equal, above, least, every };
  Kind kind = Kind::always;
  std::uint64_t count = 0;
  bool holds(std::uint64_t hits) const;
  auto operator<=>(const HitCondition&) const = default;
};
/// "5" and "==5": the fifth; ">5", ">=5"; "%5": every fifth. Spaces do not matter.
Result<HitCondition> parse_hits(std::string_view text);
std::string describe(const HitCondition& condition);

/// Empty: every hit stops.
struct Rule {
  std::vector<Expression> conditions{}; ///< one that is not zero will do; none: it always holds
  HitCondition hits{};
  std::vector<Expression> log{}; ///< each prints; with any, a hit does not stop
  bool empty() const { return conditions.empty() && hits == HitCondition{} && log.empty(); }
  auto operator<=>(const Rule&) const = default;
};
/// "if rax == 3, hits >=5, logs "…""; empty for an empty one.
std::string describe(const Rule& rule);

/// One client's share in a point.
struct Wish {
  ClientId client{};
  Rule rule{};
  auto operator<=>(const Wish&) const = default;
};

} // namespace kdbg
