#include "protocols/dap/message/address.hpp"

#include <charconv>
#include <fmt/format.h>

namespace kdbg::dap {

std::optional<std::uint64_t> parse_number(std::string_view text) {
  const bool hex = text.starts_with("0x") || text.starts_with("0X");
  if (hex) text.remove_prefix(2);
  std::uint64_t value = 0;
  const auto end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value, hex ? 16 : 10);
  if (error != std::errc{} || stop != end) return std::nullopt;
  return value;
}

Result<std::uint64_t> parse_address(std::string_view text, std::string_view field) {
  if (const auto number = parse_number(text)) return *number;
  return Error{Code::bad_request,
               fmt::format("{} must be an address, 0x1f or 31, of at most 64 bits, not \"{}\"",
                           field, text.substr(0, 60))};
}

Result<Address> parse_reference(std::string_view text, std::string_view field) {
  const auto wrong = [&] {
    return Error{
        Code::bad_request,
        fmt::format("{} must be an address (0x1000), v:, p: or as:CR3: and one, not \"{}\"", field,
                    text.substr(0, 60))};
  };
  Address made;
  std::string_view rest = text;
  if (rest.starts_with("v:")) {
    rest.remove_prefix(2);
  } else if (rest.starts_with("p:")) {
    rest.remove_prefix(2);
    made.space.kind = Space::Kind::physical;
  } else if (rest.starts_with("as:")) {
    rest.remove_prefix(3);
    const std::size_t colon = rest.find(':');
    if (colon == rest.npos) return wrong();
    const auto root = parse_number(rest.substr(0, colon));
    if (!root) return wrong();
    made.space = {Space::Kind::root, *root};
    rest.remove_prefix(colon + 1);
  }
  const auto value = parse_number(rest);
  if (!value) return wrong();
  made.value = *value;
  return made;
}

Result<Address> moved(Address from, std::int64_t offset, std::string_view field) {
  const auto distance = static_cast<std::uint64_t>(offset);
  const std::uint64_t to = from.value + distance;
  if (offset < 0 ? to > from.value : to < from.value) {
    return Error{Code::bad_request, fmt::format("{} {} leads from {:#x} out of the address space",
                                                field, offset, from.value)};
  }
  from.value = to;
  return from;
}

} // namespace kdbg::dap
