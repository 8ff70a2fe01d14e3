#pragma once
/// x86's model-specific registers by name (SDM vol. 4, table 2-2; AMD APM vol. 2, appendix A).
/// Knows no guest.
#include <cstdint>
#include <span>
#include <string_view>

namespace kdbg::dap {

struct Msr {
  std::uint32_t number;
  std::string_view name;
};

/// Those that tell something of a system; a processor has not all of them.
extern const std::span<const Msr> msrs;
/// nullptr when there is none of that name.
const Msr* find_msr(std::string_view name);

} // namespace kdbg::dap
