#pragma once
/// Single-stepping where KVM cannot: where an instruction that is not carried out by us ends.
/// Knows no encoding.
#include "kvm/arch.hpp"

namespace kdbg::kvm {

/// What an instruction does to the flow of control, as far as a scan over several needs it.
enum class Flow : std::uint8_t {
  on,          ///< the next one follows
  branch,      ///< that, or `target`
  jump,        ///< `target`
  away,        ///< no telling from here: an indirect jump, a trap
  breakpoint,  ///< a breakpoint instruction: whoever gets here stops
  conditional, ///< the store that ends a sequence begun by a reserving load
};
struct Shape {
  Flow flow = Flow::away;
  unsigned length = 0; ///< bytes
  std::uint64_t target = 0;
};
/// The instruction that begins with `code`, at `at`.
using Shaper = std::function<Shape(ByteView code, std::uint64_t at)>;

inline constexpr std::size_t longest_sequence = 128; // bytes; RISC-V promises progress for 64

/// The sequence that begins with the reserving load at `pc` (LR/SC, LL/SC): any exit into the host
/// would lose the reservation, so it runs as a whole, to behind its store or to wherever it can
/// leave. Nothing when no such sequence is there, or it has more ends than a StepPlan takes.
std::optional<StepPlan> run_through(std::uint64_t pc, ByteView code, const Shaper& shape);

} // namespace kdbg::kvm
