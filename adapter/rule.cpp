#include "adapter/rule.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>

namespace kdbg {
namespace {

using Kind = HitCondition::Kind;

/// Longer ones before those that they begin with.
constexpr std::pair<std::string_view, Kind> operators[] = {
    {">=", Kind::least}, {"==", Kind::equal}, {">", Kind::above}, {"%", Kind::every}};

std::string words(const Expression& expression) {
  if (!expression.text.empty()) return expression.text;
  return fmt::format("<{} bytes of code>", expression.code.size());
}

std::string words(const std::vector<Expression>& list, std::string_view between) {
  std::string text;
  for (const Expression& each : list) {
    if (!text.empty()) text += between;
    text += words(each);
  }
  return text;
}

} // namespace

bool HitCondition::holds(std::uint64_t hits) const {
  switch (kind) {
  case Kind::always:
    break;
  case Kind::equal:
    return hits == count;
  case Kind::above:
    return hits > count;
  case Kind::least:
    return hits >= count;
  case Kind::every:
    return hits % count == 0;
  }
  return true;
}

Result<HitCondition> parse_hits(std::string_view text) {
  std::string tight(text);
  std::erase(tight, ' ');
  std::string_view digits = tight;
  HitCondition out{Kind::equal};
  for (const auto& [word, kind] : operators) {
    if (!digits.starts_with(word)) continue;
    out.kind = kind;
    digits.remove_prefix(word.size());
    break;
  }
  const char* const end = digits.data() + digits.size();
  const auto [at, error] = std::from_chars(digits.data(), end, out.count);
  if (error != std::errc{} || at != end || digits.empty()) {
    return Error{Code::bad_request,
                 fmt::format("hits \"{}\": 5, ==5, >5, >=5 and %5 are understood", text)};
  }
  const bool never = out.count == 0 && (out.kind == Kind::equal || out.kind == Kind::every);
  if (never) return Error{Code::bad_request, fmt::format("hits \"{}\" would never hold", text)};
  return out;
}

std::string describe(const HitCondition& condition) {
  if (condition.kind == Kind::always) return {};
  const auto found = std::find_if(std::begin(operators), std::end(operators),
                                  [&](const auto& each) { return each.second == condition.kind; });
  return fmt::format("{}{}", found->first, condition.count);
}

std::string describe(const Rule& rule) {
  std::vector<std::string> parts;
  if (!rule.conditions.empty()) parts.push_back("if " + words(rule.conditions, " or "));
  if (rule.hits.kind != Kind::always) parts.push_back("hits " + describe(rule.hits));
  if (!rule.log.empty()) parts.push_back("logs " + words(rule.log, " and "));
  return fmt::format("{}", fmt::join(parts, ", "));
}

} // namespace kdbg
