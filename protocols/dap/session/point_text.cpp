#include "protocols/dap/session/point_text.hpp"

#include "protocols/dap/data/expressions.hpp"

#include <lldb/API/SBValue.h>

#include <fmt/format.h>

namespace kdbg::dap {
namespace {

bool begins_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
bool in_name(char c) {
  return begins_name(c) || (c >= '0' && c <= '9');
}

void add_names(std::string_view expression, std::set<std::string>& names) {
  for (std::size_t i = 0; i < expression.size();) {
    const char c = expression[i];
    std::size_t end = i + 1;
    while (end < expression.size() && in_name(expression[end])) {
      ++end;
    }
    if (begins_name(c)) names.emplace(expression.substr(i, end - i));
    // a register's $ and a number's digits go with what follows them
    i = begins_name(c) || c == '$' || in_name(c) ? end : i + 1;
  }
}

/// Calls `text` and `expression` for the parts of a log message, in order.
template <class Text, class Expression>
void for_parts(std::string_view message, Text&& text, Expression&& expression) {
  while (!message.empty()) {
    const std::size_t open = std::min(message.find('{'), message.size());
    const std::size_t close = message.find('}', open);
    if (open == message.size() || close == message.npos) return text(message);
    text(message.substr(0, open));
    expression(message.substr(open + 1, close - open - 1));
    message.remove_prefix(close + 1);
  }
}

std::string value_of(std::string_view expression, const lldb::SBFrame& frame) {
  auto value = evaluate_in(frame, std::string(expression));
  if (!value) return fmt::format("<{}>", value.error().what);
  const char* const summary = value->GetSummary();
  const char* const plain = value->GetValue();
  return summary ? summary : plain ? plain : "?";
}

} // namespace

std::set<std::string> bare_names(std::string_view condition, std::string_view log) {
  std::set<std::string> names;
  add_names(condition, names);
  for_parts(
      log, [](std::string_view) {}, [&](std::string_view one) { add_names(one, names); });
  return names;
}

std::string log_line(std::string_view message, lldb::SBFrame frame) {
  std::string line;
  for_parts(
      message, [&](std::string_view text) { line += text; },
      [&](std::string_view expression) { line += value_of(expression, frame); });
  return line;
}

} // namespace kdbg::dap
