#pragma once
/// Which packet goes to which handler: rows of data, longest match wins. Knows no packet itself.
#include "adapter/result.hpp"

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace kdbg::gdb {

struct Conversation;

/// What a packet is answered with; no text when the answer comes later (a stop) or never.
using Answer = Result<std::optional<std::string>>;
inline Answer say(std::string text) {
  return std::optional(std::move(text));
}
inline Answer say_ok() {
  return say("OK");
}
/// What RSP answers to a packet that it does not know.
inline Answer say_unknown() {
  return say("");
}
inline Answer say_nothing() {
  return std::optional<std::string>();
}

/// `arguments` is what follows the row's prefix.
using Handler = Answer (*)(Conversation& conversation, std::string_view arguments);

struct Row {
  enum class Match : std::uint8_t { exact, prefix };
  enum class Reply : std::uint8_t { text, binary };
  std::string_view prefix;
  Match match = Match::exact;
  Handler handler = nullptr;
  Reply reply = Reply::text; ///< binary is sent byte for byte, but for escapes

  constexpr bool matches(std::string_view packet) const {
    return match == Match::exact ? packet == prefix : packet.starts_with(prefix);
  }
};

/// Rows of one packet family.
using Table = std::span<const Row>;

/// The row with the longest prefix; of equals the first. A protocol that builds on this one puts
/// its own tables first.
const Row* find_row(std::span<const Table> tables, std::string_view packet);

} // namespace kdbg::gdb
