#include "protocols/dap/data/expressions.hpp"

#include "protocols/dap/data/values.hpp"

#include <lldb/API/SBExpressionOptions.h>

#include <algorithm>
#include <array>
#include <cctype>

namespace kdbg::dap {
namespace {

constexpr std::uint32_t patience = 2'000'000; // microseconds

bool is_word(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '$';
}

/// Where a quoted text that begins at `at` ends, one past its last quote.
std::size_t past_quoted(std::string_view text, std::size_t at) {
  const char quote = text[at++];
  while (at < text.size() && text[at] != quote) {
    at += text[at] == '\\' ? 2 : 1;
  }
  return at + 1;
}

bool changes_by_name(std::string_view word, std::string_view after) {
  static constexpr std::array<std::string_view, 6> changing{"and_eq", "or_eq",  "xor_eq",
                                                            "asm",    "delete", "new"};
  // builtins that become a store
  static constexpr std::array<std::string_view, 5> builtins{"__atomic", "__sync", "__builtin",
                                                            "__c11", "__scoped"};
  if (std::find(changing.begin(), changing.end(), word) != changing.end()) return true;
  const auto begins = [&](std::string_view start) { return word.starts_with(start); };
  if (std::any_of(builtins.begin(), builtins.end(), begins)) return true;
  const std::size_t next = after.find_first_not_of(" \t\r\n");
  const bool called = next != after.npos && after[next] == '(';
  return called && word != "sizeof" && word != "alignof" && word != "if" && word != "return";
}

/// =, but not ==, <=, >= and != ; ++ and --.
bool changes_by_sign(std::string_view text, std::size_t at) {
  const char c = text[at];
  const char next = at + 1 < text.size() ? text[at + 1] : '\0';
  if ((c == '+' || c == '-') && next == c) return true;
  if (c != '=' || next == '=') return false;
  const char before = at > 0 ? text[at - 1] : '\0';
  const char ahead = at > 1 ? text[at - 2] : '\0';
  const bool shift = (before == '<' || before == '>') && ahead == before; // <<= and >>=
  return shift || std::string_view("=!<>").find(before) == std::string_view::npos || before == '\0';
}

} // namespace

bool has_side_effects(std::string_view expression) {
  for (std::size_t i = 0; i < expression.size();) {
    const char c = expression[i];
    if (c == '"' || c == '\'') {
      i = past_quoted(expression, i);
    } else if (is_word(c)) {
      std::size_t end = i;
      while (end < expression.size() && is_word(expression[end])) {
        ++end;
      }
      if (changes_by_name(expression.substr(i, end - i), expression.substr(end))) return true;
      i = end;
    } else {
      if (changes_by_sign(expression, i)) return true;
      ++i;
    }
  }
  return false;
}

bool has_directive(std::string_view text) {
  for (const std::string_view sign : {"#", "%:", "\?\?=", "_Pragma", "@import", "__has_include"}) {
    if (text.find(sign) != text.npos) return true;
  }
  return false;
}

Result<lldb::SBValue> evaluate_in(lldb::SBFrame frame, const std::string& expression) {
  if (has_directive(expression)) {
    return Error{Code::bad_request, "expression: the preprocessor is not for expressions"};
  }
  lldb::SBValue value;
  if (expression.starts_with('$')) value = frame.FindRegister(expression.c_str() + 1);
  if (!value.IsValid()) value = frame.GetValueForVariablePath(expression.c_str());
  if (value.IsValid() && value.GetError().Success()) return value;
  lldb::SBExpressionOptions options;
  options.SetAllowJIT(false);
  options.SetTryAllThreads(false);
  options.SetTimeoutInMicroSeconds(patience);
  options.SetFetchDynamicValue(lldb::eNoDynamicValues);
  options.SetSuppressPersistentResult(true);
  value = frame.EvaluateExpression(expression.c_str(), options);
  const lldb::SBError error = value.GetError();
  if (error.Fail()) return Error{Code::bad_request, text_of(error)};
  return value;
}

} // namespace kdbg::dap
