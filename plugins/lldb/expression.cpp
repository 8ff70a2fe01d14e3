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

std::string first_line(std::string text) {
  text.erase(std::min(text.find('\n'), text.size()));
  return text;
}

} // namespace

Result<std::uint64_t> number_of(lldb::SBDebugger& debugger, const std::string& text) {
  if (const auto number = plain_number(text)) return *number;
  lldb::SBTarget target = debugger.GetSelectedTarget();
  lldb::SBFrame frame = target.GetProcess().GetSelectedThread().GetSelectedFrame();
  lldb::SBExpressionOptions options;
  options.SetAllowJIT(false); // interpreted by lldb: the guest is not run
  options.SetIgnoreBreakpoints(true);
  options.SetTryAllThreads(false);
  lldb::SBValue value = frame.IsValid() ? frame.EvaluateExpression(text.c_str(), options)
                                        : target.EvaluateExpression(text.c_str(), options);
  lldb::SBError error = value.GetError();
  if (error.Success()) {
    const std::uint64_t number = value.GetValueAsUnsigned(error, 0);
    if (error.Success()) return number;
  }
  const char* const why = error.GetCString();
  return Error{Code::bad_request,
               fmt::format("'{}' is no number: {}", text, first_line(why ? why : "no value"))};
}

} // namespace kdbg::lldb_plugin
