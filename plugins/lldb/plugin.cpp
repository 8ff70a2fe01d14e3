// What lldb calls when it loads the plugin. Silent and cheap: an lldb loads all that is in its
// folder.
#include "plugins/lldb/commands.hpp"
#include "plugins/lldb/host_symbols.hpp"
#include "plugins/lldb/summaries.hpp"

#include <lldb/API/SBCommandInterpreter.h>
#include <lldb/API/SBCommandReturnObject.h>
#include <lldb/API/SBStringList.h>

#include <cstdio>

namespace kdbg::lldb_plugin {
namespace {

/// All registers in one packet: kvmdbg's stop replies carry the general ones, the rest come with g.
constexpr const char* g_packet = "plugin.process.gdb-remote.use-g-packet-for-reading";

void set_up(lldb::SBDebugger& debugger) {
  const lldb::SBStringList now =
      lldb::SBDebugger::GetInternalVariableValue(g_packet, debugger.GetInstanceName());
  const char* const value = now.GetSize() ? now.GetStringAtIndex(0) : nullptr;
  if (!value || std::string_view(value) != "false") return; // set by the user, or gone
  lldb::SBDebugger::SetInternalVariable(g_packet, "true", debugger.GetInstanceName());
}

bool loaded(lldb::SBDebugger& debugger) {
  lldb::SBCommandReturnObject help;
  debugger.GetCommandInterpreter().HandleCommand("help kvm walk", help);
  return help.Succeeded();
}

} // namespace
} // namespace kdbg::lldb_plugin

namespace lldb {

// NOLINTNEXTLINE: lldb looks for this name
__attribute__((visibility("default"))) bool PluginInitialize(SBDebugger debugger) {
  namespace plugin = kdbg::lldb_plugin;
  const std::string missing = plugin::missing_symbol();
  if (!missing.empty()) {
    std::fprintf(stderr, "kvmdbg's plugin is not for this lldb, which lacks %s\n", missing.c_str());
    return false;
  }
  if (plugin::loaded(debugger)) return true;
  const auto added = plugin::add_commands(debugger, std::make_shared<plugin::Machines>());
  if (!added) {
    std::fprintf(stderr, "kvmdbg's plugin: %s\n", added.error().what.c_str());
    return false;
  }
  plugin::add_summaries(debugger);
  plugin::set_up(debugger);
  return true;
}

} // namespace lldb
