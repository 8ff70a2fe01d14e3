#include "plugins/lldb/start.hpp"

#include <lldb/API/SBCommandInterpreter.h>
#include <lldb/API/SBCommandReturnObject.h>
#include <lldb/API/SBFileSpec.h>
#include <lldb/API/SBProcess.h>
#include <lldb/API/SBTarget.h>

#include <fmt/format.h>
#include <fstream>

namespace kdbg::lldb_plugin {
namespace {

/// Runs a command of lldb; its words, or its complaint.
Result<std::string> run_command(lldb::SBDebugger& debugger, const std::string& command) {
  lldb::SBCommandReturnObject result;
  debugger.GetCommandInterpreter().HandleCommand(command.c_str(), result);
  const char* const words = result.Succeeded() ? result.GetOutput() : result.GetError();
  std::string text = words ? words : "";
  if (result.Succeeded()) return text;
  while (!text.empty() && text.back() == '\n') {
    text.pop_back();
  }
  return Error{Code::closed, fmt::format("'{}': {}", command, text)};
}

/// As one argument for lldb's command line, whatever is in it.
std::string as_argument(std::string_view text) {
  std::string argument = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\' || c == '`') argument += '\\';
    argument += c;
  }
  return argument + "\"";
}

Status check_free(lldb::SBDebugger& debugger) {
  switch (debugger.GetSelectedTarget().GetProcess().GetState()) {
  case lldb::eStateInvalid:
  case lldb::eStateUnloaded:
  case lldb::eStateDetached:
  case lldb::eStateExited:
    return Done{};
  default:
    return Error{Code::bad_request, "the selected target is connected already: `process detach` "
                                    "leaves it, `target create` makes another"};
  }
}

bool is_elf(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  char magic[4] = {};
  file.read(magic, sizeof magic);
  return std::string_view(magic, sizeof magic) == "\177ELF";
}

Result<std::string> connect(lldb::SBDebugger& debugger, const std::string& url) {
  return run_command(debugger, "process connect --plugin gdb-remote " + as_argument(url));
}

} // namespace

Result<std::string> start_guest(Call& call) {
  TRY(check_free(call.debugger));
  const std::string& image = call.arguments[0];
  const Machine* const machine = TRY(call.machines.start(call.arguments));
  std::string text = fmt::format("kvmdbg listens on unix:{}\n", machine->socket());
  if (!call.debugger.GetSelectedTarget().GetExecutable().IsValid() && is_elf(image)) {
    text += TRY(run_command(call.debugger, "target create " + as_argument(image)));
  }
  return text + TRY(connect(call.debugger, "unix-connect://" + machine->socket()));
}

Result<std::string> attach_to_guest(Call& call) {
  TRY(check_free(call.debugger));
  const std::string url = TRY(call.machines.url_of(call.arguments[0]));
  return connect(call.debugger, url);
}

} // namespace kdbg::lldb_plugin
