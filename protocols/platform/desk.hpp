#pragma once
/// What one connection to a platform has agreed on, asked for and been attached to. Knows no
/// framing.
#include "protocols/gdb/conversation.hpp"
#include "protocols/platform/attachment.hpp"
#include "protocols/platform/platform.hpp"

namespace kdbg::platform {

struct Desk {
  Machines& machines;
  const Host& host;
  /// Answers a packet that was held back.
  std::function<void(const gdb::Answer&)> answer_late;
  Attachment::Listener relayed; ///< what an attached machine says

  gdb::Features features{};
  bool acks = true;
  bool lldb = false;
  /// Packets that each machine is told when it is attached to; one for each kind.
  std::vector<std::pair<std::string_view, std::string>> agreed{};
  std::vector<MachineInfo> rows{}; ///< of the list under way
  std::size_t next_row = 0;
  std::string document{}; ///< of `info os`, while it is read in pieces
  std::unique_ptr<Machines::Question> question{};
  std::unique_ptr<Attachment> attachment{};
  std::optional<std::uint64_t> lost{}; ///< a machine whose end the client has yet to hear of

  /// The stop reply for a machine that went without a word.
  std::string tell_lost(std::uint64_t pid) const;
  void agree(std::string_view kind, std::string_view packet);
  /// Asks all machines for their states, then answers.
  gdb::Answer ask(std::function<gdb::Answer(std::vector<MachineInfo>)> then);
};

using Handler = gdb::Answer (*)(Desk& desk, std::string_view arguments);

struct Row {
  enum class Match : std::uint8_t { exact, prefix };
  /// Who answers.
  enum class Role : std::uint8_t {
    unattached, ///< the platform, as long as no machine is attached
    agreed,     ///< the same, and every machine that is attached to later is told of it
    always,     ///< the platform
  };
  std::string_view prefix;
  Match match;
  Handler handler;
  Role role = Role::unattached;

  constexpr bool matches(std::string_view packet) const {
    return match == Match::exact ? packet == prefix : packet.starts_with(prefix);
  }
};
using Table = std::span<const Row>;

/// The row with the longest prefix; null for a packet that the platform does not know.
const Row* find_row(std::string_view packet);

Table list_packets();    ///< which machines there are
Table attach_packets();  ///< what is said before a machine is attached, and attaching
Table refused_packets(); ///< what is not served

} // namespace kdbg::platform
