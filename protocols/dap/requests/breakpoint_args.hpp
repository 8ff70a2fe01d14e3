#pragma once
/// What the requests that set breakpoints have in common.
#include "protocols/dap/session/session.hpp"

namespace kdbg::dap {

/// All breakpoints of a kind; they replace those before.
template <class Breakpoint>
struct BreakpointList {
  std::vector<Breakpoint> breakpoints;
  static constexpr auto fields() {
    return std::tuple{required("breakpoints", &BreakpointList::breakpoints)};
  }
};

/// bad_request for a hit condition that is none.
inline Status check_hits(const std::string& hits) {
  if (hits.empty()) return Done{};
  if (const auto parsed = parse_hits(hits); !parsed) {
    return Error{Code::bad_request, "hitCondition: " + parsed.error().what};
  }
  return Done{};
}

} // namespace kdbg::dap
