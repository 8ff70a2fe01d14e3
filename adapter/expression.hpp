#pragma once
/// What a person writes, compiled to adapter/bytecode.hpp: C's operators on 64-bit values.
///
///   x == 3 && *(u32*)(rsp + 8) < 0x10      u64[gs_base + 8]      (s32)rax < -1      !($flags & 1)
///
/// Registers by name, with or without $; numbers in decimal, hex or octal; symbols that the caller
/// knows, as their addresses. Types are u8 to u64 and s8 to s64. As in C an operation is signed
/// when no side is unsigned; registers, memory and symbols are unsigned unless they are cast.
#include "adapter/registers.hpp"
#include "adapter/rule.hpp"

#include <functional>

namespace kdbg {

struct Names {
  const ArchInfo& arch;
  /// The address of what is no register; nothing for what is not known either.
  std::function<std::optional<std::uint64_t>(std::string_view name)> symbol{};
};

/// Errors name the column, counted from 1.
Result<Expression> compile_condition(std::string_view text, const Names& names);

/// A log line with {expression} pieces: {rip}, {u32[rsi]:d}. Behind a colon stands the form: x (hex
/// with 0x, also without any), d, u, c, s (the zero-terminated text that the value points to).
/// {{ and }} are braces.
Result<Expression> compile_log(std::string_view text, const Names& names);

/// The code of a piece of either, without an end. `column`: of its first character; `base`: bytes
/// of code that will stand before it.
Result<Bytes>
compile_value(std::string_view text, const Names& names, std::size_t column, std::size_t base);

} // namespace kdbg
