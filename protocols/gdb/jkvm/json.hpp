#pragma once
/// JSON as `jKvm.*` packets carry it: arguments taken apart under limits and held against their
/// schema, values put together. Knows no request.
#include "adapter/result.hpp"
#include "adapter/types.hpp"
#include "protocols/gdb/jkvm/schema.hpp"

#include <nlohmann/json.hpp>

namespace kdbg::gdb::jkvm {

/// Members in the order in which they were put in.
using Json = nlohmann::ordered_json;

/// A client's arguments are a flat object: more than this is a mistake or an attack.
inline constexpr std::size_t longest_text = 0x4000; ///< bytes
inline constexpr unsigned deepest = 4;              ///< arrays and objects in one another

/// An object whose members the schema knows, each of its type; absent members stay absent.
/// bad_request names what is off.
Result<Json> parse_arguments(const Schema& schema, std::string_view text);

/// What parse_arguments let through.
std::optional<std::uint64_t> number_in(const Json& arguments, std::string_view name);
/// `value`: a number, or "0x1f", "31".
std::optional<std::uint64_t> as_number(const Json& value);

/// "0x1f": 64 bits are more than some readers of JSON keep.
Json hex(std::uint64_t value);
/// Bytes that are no UTF-8 become U+FFFD.
std::string render(const Json& json);

} // namespace kdbg::gdb::jkvm
