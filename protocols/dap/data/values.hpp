#pragma once
/// Values as the client is shown them: variables, registers, results of expressions.
#include "protocols/dap/session/session.hpp"

namespace kdbg::dap {

/// The protocol's ValueFormat.
struct ValueFormat {
  bool hex = false;
  static constexpr auto fields() { return std::tuple{optional("hex", &ValueFormat::hex)}; }
};

/// The protocol's Variable; as a result of evaluate, `name` stays here.
struct Variable {
  std::string name, value;
  std::int32_t reference = 0;
  std::optional<std::string> type, evaluate_name, memory_reference;
  std::optional<std::uint32_t> indexed, named;
};

std::string text_of(const char* text);
/// Without blanks at both ends.
std::string trimmed(std::string_view text);
/// Of an error that LLDB may leave without words.
std::string text_of(const lldb::SBError& error);

/// Where it is in the guest's memory; nothing for one in a register, and for a result.
std::optional<std::uint64_t> address_of(lldb::SBValue value);

Variable describe_value(Session& session, const FrameRef& frame, lldb::SBValue value, bool hex);
/// As much of it as there is, its members and elements too.
std::string whole_text(Session& session, const lldb::SBValue& value);

/// Which of a group's variables: `count` from `start` on; all with a count of 0.
struct Page {
  std::uint32_t start = 0, count = 0;
};
/// At most max_listed.
Result<std::vector<Variable>>
list_group(Session& session, const VariableGroup& group, Page page, bool hex);
inline constexpr std::uint32_t max_listed = 1000;

/// bad_request when the group has none of that name.
Result<lldb::SBValue>
find_in_group(Session& session, const VariableGroup& group, const std::string& name);
/// `text` is a number or an expression without side effects.
Status set_value(Session& session, lldb::SBValue value, const std::string& text);

} // namespace kdbg::dap
