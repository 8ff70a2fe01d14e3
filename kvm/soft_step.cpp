#include "kvm/soft_step.hpp"

#include <algorithm>

namespace kdbg::kvm {
namespace {

/// The places that a linear scan has found so far, and where the scan itself got to.
struct Scan {
  std::vector<std::uint64_t> targets;
  std::uint64_t end = 0;
  bool complete = false;
};

Scan scan(std::uint64_t pc, ByteView code, const Shaper& shape) {
  Scan out;
  for (std::uint64_t at = pc; at - pc < code.size();) {
    const Shape found = shape(code.subspan(at - pc), at);
    if (found.length == 0 || found.flow == Flow::away) return out;
    out.end = found.flow == Flow::breakpoint ? at : at + found.length;
    out.complete = found.flow == Flow::conditional || (found.flow == Flow::breakpoint && at != pc);
    if (out.complete) return out;
    if (found.flow == Flow::branch || found.flow == Flow::jump) out.targets.push_back(found.target);
    at += found.length;
  }
  return out;
}

} // namespace

std::optional<StepPlan> run_through(std::uint64_t pc, ByteView code, const Shaper& shape) {
  const Scan found = scan(pc, code, shape);
  if (!found.complete) return {};
  std::vector<std::uint64_t> ends{found.end};
  for (const std::uint64_t target : found.targets) {
    const bool inside = target >= pc && target < found.end;
    const bool known = std::find(ends.begin(), ends.end(), target) != ends.end();
    if (!inside && !known) ends.push_back(target);
  }
  StepPlan plan;
  if (ends.size() > plan.ends.size()) return {};
  std::copy(ends.begin(), ends.end(), plan.ends.begin());
  return plan;
}

} // namespace kdbg::kvm
