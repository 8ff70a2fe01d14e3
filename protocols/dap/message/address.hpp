#pragma once
/// Numbers and places in memory as clients write them.
///
/// `0x1000`, `4096` and `v:0x1000` are virtual, by the page tables in use; `p:0x1000` is
/// guest-physical; `as:0x5000:0x1000` is virtual by the page tables at 0x5000 (x86: a CR3).
#include "adapter/result.hpp"
#include "adapter/types.hpp"

#include <cstdint>
#include <optional>
#include <string_view>

namespace kdbg::dap {

/// Decimal, or hex with 0x; nothing for what is no number or is beyond 64 bits.
std::optional<std::uint64_t> parse_number(std::string_view text);

/// The same; bad_request with the name of the field that holds `text`, as below.
Result<std::uint64_t> parse_address(std::string_view text, std::string_view field);

Result<Address> parse_reference(std::string_view text, std::string_view field);

/// `from` moved by `offset` bytes; bad_request where that leaves the 64-bit addresses.
Result<Address> moved(Address from, std::int64_t offset, std::string_view field);

} // namespace kdbg::dap
