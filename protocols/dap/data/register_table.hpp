#pragma once
/// The guest's registers as groups and named fields, from the description that the server gives to
/// gdb. Knows no LLDB.
#include "adapter/result.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace kdbg::dap {

/// Bits [first, last] of a register.
struct RegisterField {
  std::string name;
  unsigned first = 0, last = 0;
  std::uint64_t mask() const { return (last - first == 63 ? 0 : 1ULL << (last - first + 1)) - 1; }
  std::uint64_t of(std::uint64_t value) const { return value >> first & mask(); }
};

struct RegisterEntry {
  std::string name, group; ///< group: as it is shown, "General"
  unsigned bits = 0;
  std::vector<RegisterField> fields; ///< none for most
};

struct RegisterTable {
  std::vector<RegisterEntry> registers;
  /// In the order in which they are shown; no empty ones.
  std::vector<std::string> groups() const;
  /// nullptr when there is none.
  const RegisterEntry* find(std::string_view name) const;
};

/// The group that is read one by one, and whose registers may change as they are read.
inline constexpr std::string_view msr_group = "MSR";

RegisterTable parse_description(std::string_view xml);

/// "PF ZF IOPL=3": the fields that are not zero.
std::string decoded(const RegisterEntry& entry, std::uint64_t value);

} // namespace kdbg::dap
