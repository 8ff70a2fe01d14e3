#include "protocols/dap/message/base64.hpp"

#include <array>

namespace kdbg::dap {
namespace {

constexpr std::string_view digits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

constexpr auto values = [] {
  std::array<std::int8_t, 256> table{};
  table.fill(-1);
  for (std::size_t i = 0; i < digits.size(); ++i) {
    table[static_cast<unsigned char>(digits[i])] = static_cast<std::int8_t>(i);
  }
  return table;
}();

constexpr char digit(std::uint32_t group, unsigned place) {
  return digits[group >> (18 - 6 * place) & 0x3f];
}

} // namespace

std::string to_base64(ByteView bytes) {
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t left = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < left; ++k) {
      group |= std::to_integer<std::uint32_t>(bytes[i + k]) << (16 - 8 * k);
    }
    for (unsigned place = 0; place < 4; ++place) {
      text += place <= left ? digit(group, place) : '=';
    }
  }
  return text;
}

std::optional<Bytes> from_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  Bytes bytes;
  bytes.reserve(text.size() / 4 * 3);
  std::uint32_t group = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool padded = i >= text.size() - padding;
    const int value = padded ? 0 : values[static_cast<unsigned char>(text[i])];
    if (value < 0) return std::nullopt;
    group = group << 6 | static_cast<std::uint32_t>(value);
    if (i % 4 != 3) continue;
    for (unsigned shift : {16U, 8U, 0U}) {
      bytes.push_back(static_cast<std::byte>(group >> shift & 0xff));
    }
    group = 0;
  }
  bytes.resize(bytes.size() - padding);
  return bytes;
}

} // namespace kdbg::dap
