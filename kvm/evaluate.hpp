#pragma once
/// Carries out a client's bytecode (adapter/bytecode.hpp) for one vCPU at one moment. For all CPU
/// families; knows no engine.
#include "adapter/bytecode.hpp"

#include <functional>

namespace kdbg::kvm {

/// What an expression may look at.
struct Scene {
  /// By its place in the register table, as gdb counts them; the lowest 64 bits.
  std::function<Result<std::uint64_t>(std::uint64_t number)> reg;
  /// All of `out`, from the linear address `at`.
  std::function<Status(std::uint64_t at, std::span<std::byte> out)> read;
};

struct Evaluated {
  std::uint64_t value = 0; ///< on top of the stack at the end; 0 where nothing was left
  std::string printed;
};

inline constexpr std::size_t most_operations = 10000; ///< that one evaluation carries out
inline constexpr std::size_t deepest_stack = 100;     ///< values
inline constexpr std::size_t most_printed = 1024;     ///< bytes; what is more is cut off

/// memory_fault for a hole; bad_request for a division by zero, a stack that runs empty or over,
/// an evaluation without end; unsupported for an operation of gdb's that is not known here.
Result<Evaluated> evaluate(ByteView code, const Scene& scene);

/// A C format without the quotes, its escapes still in it; `values` as on the stack. %s reads the
/// guest's memory. bad_request for what cannot be formatted.
Result<std::string>
format_values(std::string_view format, std::span<const std::uint64_t> values, const Scene& scene);

} // namespace kdbg::kvm
