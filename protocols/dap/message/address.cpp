#include "protocols/dap/message/address.hpp"

#include <charconv>
#include <fmt/format.h>

namespace kdbg::dap {

Result<std::uint64_t> parse_address(std::string_view text, std::string_view name) {
  const bool hex = text.starts_with("0x") || text.starts_with("0X");
  const std::string_view digits = hex ? text.substr(2) : text;
  std::uint64_t value = 0;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), value, hex ? 16 : 10);
  if (error == std::errc{} && end == digits.data() + digits.size() && !digits.empty()) return value;
  return Error{
      Code::bad_request,
      fmt::format("{} must be an address, 0x1f or 31, of at most 64 bits, not \"{}\"", name, text)};
}

} // namespace kdbg::dap
