#pragma once
/// x86's exceptions in words (SDM vol. 3, table 6-1). Knows no guest.
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace kdbg::dap {

struct CpuException {
  std::uint8_t vector;
  std::string_view name, meaning;
  bool has_error; ///< pushes an error code
};

extern const std::span<const CpuException> cpu_exceptions;
/// nullptr when there is none; by name, "#PF", or by vector.
const CpuException* find_exception(std::string_view name);
const CpuException* find_exception(std::uint64_t vector);

/// What a stop was for.
struct Raised {
  std::string_view name;
  std::optional<std::uint64_t> error;
};
/// From the server's words: "caught exception 14, error code 0x2, …", or "crashed: …".
std::optional<Raised> parse_raised(std::string_view why);

/// SDM vol. 3, 6.13 (selectors) and 4.7 (page faults): "write to a page that is not present, by the
/// kernel".
std::string describe_error(std::string_view name, std::uint64_t code);

} // namespace kdbg::dap
