#include "plugins/lldb/packets.hpp"

#include "plugins/lldb/packet_text.hpp"

#include <lldb/API/SBCommandInterpreter.h>
#include <lldb/API/SBCommandReturnObject.h>
#include <lldb/API/SBProcess.h>
#include <lldb/API/SBTarget.h>

#include <fmt/format.h>

namespace kdbg::lldb_plugin {
namespace {

/// Whether the selected target can be asked.
Status check_connection(lldb::SBDebugger& debugger) {
  lldb::SBProcess process = debugger.GetSelectedTarget().GetProcess();
  const lldb::StateType state = process.GetState(); // invalid where there is no process
  switch (state) {
  case lldb::eStateInvalid:
  case lldb::eStateUnloaded:
  case lldb::eStateDetached:
  case lldb::eStateExited:
    return Error{Code::closed, "not connected: `kvm run IMAGE` starts a guest, `kvm attach` and "
                               "`gdb-remote` connect to one"};
  case lldb::eStateRunning:
  case lldb::eStateStepping:
    return Error{Code::running, "the guest runs: stop it first (`process interrupt`)"};
  default:
    break;
  }
  const char* const plugin = process.GetPluginName();
  if (plugin && std::string_view(plugin) == "gdb-remote") return Done{};
  return Error{Code::unsupported,
               fmt::format("the selected target is debugged by lldb's {} plugin, not by kvmdbg",
                           plugin ? plugin : "unknown")};
}

} // namespace

Result<Json> ask(lldb::SBDebugger& debugger, std::string_view name, const Json& arguments) {
  TRY(check_connection(debugger));
  lldb::SBCommandReturnObject answer;
  debugger.GetCommandInterpreter().HandleCommand(packet_command(name, arguments).c_str(), answer);
  const char* const printed = answer.Succeeded() ? answer.GetOutput() : answer.GetError();
  return parse_response("jKvm." + std::string(name), printed ? printed : "");
}

} // namespace kdbg::lldb_plugin
