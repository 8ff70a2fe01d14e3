#include "plugins/lldb/exceptions.hpp"

#include "plugins/lldb/expression.hpp"
#include "plugins/lldb/packets.hpp"
#include "plugins/lldb/reports.hpp"
#include "plugins/lldb/x86.hpp"

#include <lldb/API/SBCommandInterpreter.h>
#include <lldb/API/SBCommandReturnObject.h>
#include <lldb/API/SBProcess.h>
#include <lldb/API/SBTarget.h>
#include <lldb/API/SBThread.h>

#include <array>
#include <fmt/format.h>

namespace kdbg::lldb_plugin {
namespace {

constexpr const char* hook = "kvm exceptions explain brief";

/// The vectors, and the value of --error.
Result<Json> parse(Call& call, const char* verb) {
  Json arguments = {{verb, Json::array()}};
  for (std::size_t i = 0; i < call.arguments.size(); ++i) {
    if (call.arguments[i] != "--error") {
      arguments[verb].push_back(call.arguments[i]);
    } else if (++i < call.arguments.size()) {
      arguments["error"] = TRY(number_of(call.debugger, call.arguments[i]));
    } else {
      return Error{Code::bad_request, "--error wants an error code"};
    }
  }
  if (!arguments[verb].empty()) return arguments;
  return Error{Code::bad_request, "no vector is named: 14, #PF"};
}

void add_hook(lldb::SBDebugger& debugger) {
  lldb::SBCommandInterpreter interpreter = debugger.GetCommandInterpreter();
  lldb::SBCommandReturnObject hooks;
  interpreter.HandleCommand("target stop-hook list", hooks);
  const char* const there = hooks.GetOutput();
  if (there && std::string_view(there).find(hook) != std::string_view::npos) return;
  lldb::SBCommandReturnObject added;
  interpreter.HandleCommand(fmt::format("target stop-hook add --one-liner '{}'", hook).c_str(),
                            added);
}

} // namespace

Result<std::string> list_exceptions(Call& call) {
  return report_exceptions(TRY(ask(call.debugger, "exceptions", Json::object())));
}

Result<std::string> set_exceptions(Call& call) {
  const Json arguments = TRY(parse(call, "set"));
  const Json answer = TRY(ask(call.debugger, "exceptions", arguments));
  add_hook(call.debugger);
  return report_exceptions(answer);
}

Result<std::string> clear_exceptions(Call& call) {
  const Json arguments = TRY(parse(call, "clear"));
  return report_exceptions(TRY(ask(call.debugger, "exceptions", arguments)));
}

/// The server's description has vector, error code and address; the words for them are ours.
Result<std::string> explain_stops(Call& call) {
  lldb::SBProcess process = call.debugger.GetSelectedTarget().GetProcess();
  const bool brief = !call.arguments.empty();
  std::string text;
  for (std::uint32_t i = 0; i < process.GetNumThreads(); ++i) {
    lldb::SBThread thread = process.GetThreadAtIndex(i);
    std::array<char, 256> description{};
    thread.GetStopDescription(description.data(), description.size());
    const std::string words = explain_exception(description.data());
    if (!words.empty()) text += fmt::format("thread #{}: {}\n", thread.GetIndexID(), words);
  }
  if (text.empty() && !brief) return std::string("no thread stopped at a caught exception\n");
  return text;
}

} // namespace kdbg::lldb_plugin
