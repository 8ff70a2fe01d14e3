#include "plugins/lldb/expression.hpp"

#include <lldb/API/SBExpressionOptions.h>
#include <lldb/API/SBFrame.h>
#include <lldb/API/SBProcess.h>
#include <lldb/API/SBTarget.h>
#include <lldb/API/SBThread.h>
#include <lldb/API/SBValue.h>

#include <cerrno>
#include <cstdlib>
#include <fmt/format.h>

namespace kdbg::lldb_plugin {
namespace {

std::optional<std::uint64_t> plain_number(const std::string& text) {
  if (text.empty() || !std::isdigit(static_cast<unsigned char>(text[0]))) return std::nullopt;
  char* end = nullptr;
  errno = 0;
  const auto number = std::strtoull(text.c_str(), &end, 0);
  if (errno || *end) return std::nullopt;
  return number;
}

/// The first line of lldb's complaint, without the word error.
std::string reason(std::string_view text) {
  constexpr std::string_view error = "error: ";
  if (text.starts_with(error)) text.remove_prefix(error.size());
  return std::string(text.substr(0, text.find('\n')));
}

} // namespace

Result<std::uint64_t> number_of(lldb::SBDebugger& debugger, const std::string& text) {
  if (const auto number = plain_number(text)) return *number;
  lldb::SBTarget target = debugger.GetSelectedTarget();
  lldb::SBFrame frame = target.GetProcess().GetSelectedThread().GetSelectedFrame();
  if (text[0] == '$') { // a register of this frame's, without a parser
    lldb::SBValue value = frame.FindRegister(text.c_str() + 1);
    if (value.IsValid()) return value.GetValueAsUnsigned();
  }
  lldb::SBExpressionOptions options;
  options.SetAllowJIT(false); // interpreted by lldb: the guest is not run
  options.SetIgnoreBreakpoints(true);
  options.SetTryAllThreads(false);
  lldb::SBValue result = frame.IsValid() ? frame.EvaluateExpression(text.c_str(), options)
                                         : target.EvaluateExpression(text.c_str(), options);
  lldb::SBError error = result.GetError();
  if (error.Success()) {
    const std::uint64_t number = result.GetValueAsUnsigned(error, 0);
    if (error.Success()) return number;
  }
  const char* const why = error.GetCString();
  return Error{Code::bad_request,
               fmt::format("'{}' is no number: {}", text, reason(why ? why : "no value"))};
}

} // namespace kdbg::lldb_plugin
