#include "plugins/lldb/commands.hpp"

#include "adapter/msrs.hpp"
#include "plugins/lldb/exceptions.hpp"
#include "plugins/lldb/expression.hpp"
#include "plugins/lldb/linux_symbols.hpp"
#include "plugins/lldb/packets.hpp"
#include "plugins/lldb/reports.hpp"
#include "plugins/lldb/start.hpp"

#include <lldb/API/SBCommandInterpreter.h>
#include <lldb/API/SBCommandReturnObject.h>
#include <lldb/API/SBProcess.h>
#include <lldb/API/SBTarget.h>
#include <lldb/API/SBThread.h>

#include <fmt/format.h>
#include <utility>

namespace kdbg::lldb_plugin {
namespace {

using Text = Result<std::string>;
using Report = std::string (*)(const Json&);

/// Requests that need nothing but their name.
template <const char* request, Report report>
Text ask_for(Call& call) {
  return report(TRY(ask(call.debugger, request, Json::object())));
}

/// Asks about the vCPU of the selected thread. A thread that is none (an OperatingSystem plugin's)
/// leaves it to the server, who takes the one selected last.
Result<Json> ask_of_vcpu(Call& call, std::string_view request, Json arguments) {
  const Json answer = TRY(ask(call.debugger, "vcpus", Json::object()));
  const auto selected =
      call.debugger.GetSelectedTarget().GetProcess().GetSelectedThread().GetThreadID();
  for (const Json& vcpu : answer["vcpus"]) {
    const auto thread = vcpu["thread"].get<std::string>(); // hex: 1, or p1.1
    if (std::strtoull(thread.c_str() + thread.find('.') + 1, nullptr, 16) == selected) {
      arguments["vcpu"] = vcpu["vcpu"];
    }
  }
  return ask(call.debugger, request, arguments);
}

/// The command's arguments under these names, as far as there are any.
Result<Json> numbers(Call& call, std::initializer_list<const char*> names) {
  Json json = Json::object();
  std::size_t index = 0;
  for (const char* const name : names) {
    if (index == call.arguments.size()) break;
    json[name] = fmt::format("{:#x}", TRY(number_of(call.debugger, call.arguments[index++])));
  }
  return json;
}

Text walk(Call& call) {
  Json arguments = TRY(numbers(call, {"address", "root"}));
  return report_walk(TRY(ask_of_vcpu(call, "walk", std::move(arguments))));
}

template <const char* table>
Text descriptors(Call& call) {
  Json arguments = TRY(numbers(call, {"first", "count"}));
  arguments["table"] = table;
  return report_descriptors(TRY(ask_of_vcpu(call, "descriptorTables", std::move(arguments))));
}

Text msr(Call& call) {
  if (const Msr* const known = find_msr(std::string_view(call.arguments[0]))) {
    call.arguments[0] = fmt::format("{:#x}", known->number);
  }
  Json arguments = TRY(numbers(call, {"number", "value"}));
  return report_msr(TRY(ask_of_vcpu(call, "msr", std::move(arguments))));
}

Text phys(Call& call) {
  constexpr int usual = 64;
  Json arguments = TRY(numbers(call, {"address", "length"}));
  if (!arguments.contains("length")) arguments["length"] = usual;
  return report_physical(TRY(ask(call.debugger, "physRead", arguments)));
}

Text stops(Call& call) {
  const Json arguments = TRY(numbers(call, {"count"}));
  return report_stops(TRY(ask(call.debugger, "stops", arguments)));
}

/// What is typed is one line of the guest's.
Text console(Call& call) {
  Json arguments = Json::object();
  if (!call.arguments.empty()) {
    arguments["type"] = fmt::format("{}\n", fmt::join(call.arguments, " "));
  }
  return report_console(TRY(ask(call.debugger, "console", arguments)));
}

Text list(Call& call) {
  return report_machines(TRY(call.machines.list()));
}

Text program(Call& call) {
  if (!call.arguments.empty()) TRY(call.machines.set_program(call.arguments[0]));
  return TRY(call.machines.program()) + "\n";
}

constexpr char capabilities_name[] = "capabilities", points_name[] = "points",
               clients_name[] = "clients", take_name[] = "takeControl", vcpus_name[] = "vcpus",
               trace_name[] = "trace";
constexpr char idt[] = "idt", gdt[] = "gdt", ldt[] = "ldt", tss[] = "tss";
constexpr unsigned any = ~0U;

struct Row {
  const char* name;
  const char* arguments;
  unsigned least, most; ///< how many arguments
  Text (*run)(Call& call);
  const char* help;
};

constexpr Row rows[] = {
    {"run", "IMAGE [OPTION...]", 1, any, &start_guest,
     "Starts `kvmdbg run` with an image, held before its first instruction, and connects to it. "
     "Options are those of `kvmdbg run`. The guest ends with this lldb."},
    {"attach", "PID|NAME|unix:PATH|HOST:PORT|URL", 1, 1, &attach_to_guest,
     "Connects to a guest that runs: one of `kvm list`, or where a kvmdbg listens."},
    {"list", "", 0, 0, &list, "Your guests on this machine."},
    {"program", "[PATH]", 0, 1, &program, "Which kvmdbg `kvm run` and `kvm list` use; sets it."},
    {"caps", "", 0, 0, &ask_for<capabilities_name, &report_capabilities>,
     "What debugging really works on the host."},
    {"points", "", 0, 0, &ask_for<points_name, &report_points>,
     "Breakpoints, watchpoints and catchpoints of all clients, and how each is done."},
    {"clients", "", 0, 0, &ask_for<clients_name, &report_clients>,
     "Who is connected, and who has run control."},
    {"take", "", 0, 0, &ask_for<take_name, &report_take>, "Takes run control over."},
    {"vcpus", "", 0, 0, &ask_for<vcpus_name, &report_vcpus>,
     "The processors: what each does, in which mode."},
    {"walk", "ADDRESS [ROOT]", 1, 2, &walk,
     "Walks the page tables of the selected thread's vCPU, or those at ROOT (a CR3). ADDRESS may "
     "be an "
     "expression: $rip, &symbol."},
    {"idt", "[FIRST [COUNT]]", 0, 2, &descriptors<idt>, "The interrupt descriptor table, decoded."},
    {"gdt", "[FIRST [COUNT]]", 0, 2, &descriptors<gdt>, "The global descriptor table, decoded."},
    {"ldt", "[FIRST [COUNT]]", 0, 2, &descriptors<ldt>, "The local descriptor table, decoded."},
    {"tss", "", 0, 0, &descriptors<tss>, "The task state segment: the stacks of each privilege."},
    {"msr", "NUMBER|NAME [VALUE]", 1, 2, &msr,
     "Reads a model-specific register of the selected thread's vCPU, or writes it: EFER, "
     "0xc0000080."},
    {"phys", "ADDRESS [LENGTH]", 1, 2, &phys, "Guest-physical memory; 64 bytes without LENGTH."},
    {"stops", "[COUNT]", 0, 1, &stops, "The time line: when the guest stopped, and why."},
    {"console", "[TEXT...]", 0, any, &console,
     "What the guest wrote on its console; types TEXT and a line end there first."},
    {"trace", "", 0, 0, &ask_for<trace_name, &report_trace>, "Whether the server writes a trace."},
    {"symbols", "[VMLINUX]", 0, 1, &load_linux_symbols,
     "Finds where Linux runs (KASLR) and moves the symbols of VMLINUX, or of the target's program, "
     "there."},
};
constexpr Row exception_rows[] = {
    {"list", "", 0, 0, &list_exceptions, "Exceptions at which the guest stops, for all clients."},
    {"set", "VECTOR... [--error CODE]", 1, any, &set_exceptions,
     "Stops the guest at the handlers of these exceptions: 14, #PF; with --error only when the CPU "
     "gives "
     "this error code."},
    {"clear", "VECTOR... [--error CODE]", 1, any, &clear_exceptions,
     "Stops no more at these exceptions."},
    {"explain", "[brief]", 0, 1, &explain_stops,
     "Says in words what exceptions the vCPUs stopped at; brief: nothing where there is none."},
};

std::string usage(const Row& row, const std::string& tree) {
  return fmt::format("{} {}{}{}", tree, row.name, *row.arguments ? " " : "", row.arguments);
}

/// One row, to lldb: the border where C++ meets its interpreter. lldb keeps it as long as the
/// command.
class Command : public lldb::SBCommandPluginInterface {
public:
  Command(const Row& row, std::string tree, std::shared_ptr<Machines> machines)
      : row_(row), tree_(std::move(tree)), machines_(std::move(machines)) {}

  bool DoExecute(lldb::SBDebugger debugger,
                 char** arguments,
                 lldb::SBCommandReturnObject& result) override {
    Call call{debugger, *machines_, {}};
    for (; arguments && *arguments; ++arguments) {
      call.arguments.emplace_back(*arguments);
    }
    Text text = run(call);
    if (!text) {
      result.SetError(text.error().what.c_str());
      return false;
    }
    result.PutCString(text->c_str());
    result.SetStatus(text->empty() ? lldb::eReturnStatusSuccessFinishNoResult
                                   : lldb::eReturnStatusSuccessFinishResult);
    return true;
  }

private:
  Text run(Call& call) const {
    const std::size_t count = call.arguments.size();
    if (count < row_.least || count > row_.most) {
      return Error{Code::bad_request,
                   fmt::format("{} arguments; want: {}", count, usage(row_, tree_))};
    }
    try {
      return row_.run(call);
    } catch (const Json::exception& odd) { // a field of another type: a server of another version
      return Error{Code::unsupported, fmt::format("the server's answer is odd: {}", odd.what())};
    }
  }

  const Row& row_;
  std::string tree_;
  std::shared_ptr<Machines> machines_;
};

template <std::size_t count>
Status add_all(lldb::SBCommand& parent,
               const std::string& tree,
               const Row (&table)[count],
               const std::shared_ptr<Machines>& machines) {
  for (const Row& row : table) {
    const std::string syntax = usage(row, tree);
    lldb::SBCommand added =
        parent.AddCommand(row.name, new Command(row, tree, machines), row.help, syntax.c_str());
    if (!added.IsValid()) {
      return Error{Code::unsupported, "lldb did not take the command " + syntax};
    }
  }
  return Done{};
}

} // namespace

Status add_commands(lldb::SBDebugger& debugger, const std::shared_ptr<Machines>& machines) {
  lldb::SBCommand kvm = debugger.GetCommandInterpreter().AddMultiwordCommand(
      "kvm", "KVM guests under kvmdbg: what lldb has no words for.");
  if (!kvm.IsValid()) return Error{Code::unsupported, "lldb did not take the command kvm"};
  TRY(add_all(kvm, "kvm", rows, machines));
  lldb::SBCommand exceptions =
      kvm.AddMultiwordCommand("exceptions", "Stops when the CPU raises an exception.");
  return add_all(exceptions, "kvm exceptions", exception_rows, machines);
}

} // namespace kdbg::lldb_plugin
