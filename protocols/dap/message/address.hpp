#pragma once
/// Addresses as clients write them.
#include "adapter/result.hpp"

#include <cstdint>
#include <string_view>

namespace kdbg::dap {

/// Decimal or 0x-hex, at most 64 bits. bad_request; `name` is the field that holds it.
Result<std::uint64_t> parse_address(std::string_view text, std::string_view name);

} // namespace kdbg::dap
