#pragma once
/// What `jKvm.*` packets there are: names, arguments, results. Arguments are checked against this
/// table, and `jKvm.help` and docs/jkvm.md are made from it; knows no handler.
#include <array>
#include <cstdint>
#include <span>
#include <string_view>

namespace kdbg::gdb::jkvm {

/// Of arguments. A number is JSON's own, not negative and whole, or text: "0x1f", "31".
enum class Type : std::uint8_t { flag, number, text, list };
enum class Need : std::uint8_t { optional, required };

struct Argument {
  std::string_view name;
  Type type = Type::number;
  Need need = Need::optional;
  std::string_view meaning;
};
/// `name`: with [] for a list, with dots for what is inside.
struct Field {
  std::string_view name, type, meaning;
};
struct Schema {
  std::string_view name, meaning;
  std::span<const Argument> arguments;
  std::span<const Field> results;
};

namespace schemas {

inline constexpr Argument vcpu{"vcpu", Type::number, Need::optional,
                               "from 0; the selected one without it"};

inline constexpr Field capabilities[] = {
    {"arch", "text", "x86_64, aarch64, …"},
    {"vcpus", "number", "how many"},
    {"hardwareSlots", "number", "shared by execution points and watches"},
    {"singleStep", "flag", ""},
    {"softwarePoints", "flag", ""},
    {"hardwareWatch", "flag", "a watch costs nothing while it does not hit"},
    {"protectedWatch", "flag", "a write watch costs an exit for each write to its pages"},
    {"steppedWatch", "flag", "a watch is possible by single-stepping"},
    {"blockInterrupts", "flag", "a step does not land in an interrupt handler"},
    {"notes[]", "text", "what this host cannot do, or does its own way"},
};

inline constexpr Field points[] = {
    {"points[].point", "text", "in words"},
    {"points[].kind", "text",
     "software, hardware, write, read, access, port, mmio, msr, hypercall, exception"},
    {"points[].address", "hex", "or the first port, MSR, hypercall, vector"},
    {"points[].space", "text", "current, root, physical"},
    {"points[].root", "hex", "of space root alone"},
    {"points[].length", "number", "bytes, or how many ports, MSRs, …"},
    {"points[].reads", "flag", "of catchpoints alone"},
    {"points[].writes", "flag", "of catchpoints alone"},
    {"points[].value", "hex", "of catchpoints that have one: it alone, or the error code"},
    {"points[].strategy", "text", "how it is done: int3, hardware slot 2, pending: …"},
    {"points[].hits", "number", "that stopped or were logged"},
    {"points[].owners[]", "number", "the clients that want it"},
    {"points[].wishes[].client", "number", "one of the owners"},
    {"points[].wishes[].rule", "text", "in words; empty: every hit stops"},
    {"points[].wishes[].held", "number", "hits at which its condition held"},
    {"points[].wishes[].done", "number", "of those, which stopped for it or were logged"},
};

inline constexpr Argument point_kind{"kind", Type::text, Need::required,
                                     "software, hardware, write, read, access"};
inline constexpr Argument point_address{"address", Type::number, Need::required, "x86: linear"};
inline constexpr Argument point_length{"length", Type::number, Need::optional,
                                       "bytes of a watch; 1 without it"};
inline constexpr Argument point_space{"space", Type::text, Need::optional,
                                      "current (without it), root, physical"};
inline constexpr Argument point_root{"root", Type::number, Need::optional,
                                     "of space root: other page tables; x86: a CR3"};
inline constexpr Argument remove_arguments[] = {point_kind, point_address, point_length,
                                                point_space, point_root};
inline constexpr Argument insert_arguments[] = {
    point_kind,
    point_address,
    point_length,
    point_space,
    point_root,
    vcpu,
    {"condition", Type::text, Need::optional,
     "stops where it is not 0: rax == 3 && *(u32*)(rsp + 8) < 0x10, u64[gs_base + 8] != 0"},
    {"hits", Type::text, Need::optional,
     "which of the times that the condition holds: 5 or ==5, >5, >=5, %5"},
    {"log", Type::text, Need::optional,
     "does not stop, but is told as event `log`: got {rdi:d} from {u64[rsp]}; forms x, d, u, c, s"},
    {"symbols", Type::list, Need::optional,
     "that condition and log may name: \"jiffies=0xffffffff82405000\""},
};
inline constexpr Field point[] = {
    {"point", "text", "in words"},
    {"kind", "text", "as in jKvm.points, and so is the rest"},
    {"address", "hex", ""},
    {"space", "text", ""},
    {"root", "hex", "of space root alone"},
    {"length", "number", ""},
};
inline constexpr Field inserted[] = {
    {"point", "text", "in words"},
    {"kind", "text", "as in jKvm.points, and so is the rest"},
    {"address", "hex", ""},
    {"space", "text", ""},
    {"root", "hex", "of space root alone"},
    {"length", "number", ""},
    {"strategy", "text", ""},
    {"hits", "number", ""},
    {"owners[]", "number", ""},
    {"wishes[]", "object", ""},
};

inline constexpr Field clients[] = {
    {"clients[].id", "number", ""},
    {"clients[].name", "text", "where it comes from"},
    {"clients[].points", "number", "that it wants"},
    {"clients[].drives", "flag", "holds run control"},
    {"clients[].self", "flag", "the one that asks"},
    {"clients[].role", "text", "control, observe"},
};

inline constexpr Field take_control[] = {
    {"before", "number", "who had run control; null for nobody"},
    {"now", "number", "the client that asks"},
};

inline constexpr Argument hello_arguments[] = {
    {"name", Type::text, Need::required, "what others are shown: \"VS Code\""},
    {"role", Type::text, Need::optional, "observe: from now on this client may only look"},
};
inline constexpr Field hello[] = {
    {"client", "number", "this client"},
    {"pairing", "text", "a secret, for `follower` on another connection"},
    {"role", "text", "control, observe"},
};

inline constexpr Argument follower_arguments[] = {
    {"pairing", Type::text, Need::required, "of the client that it follows"},
};
inline constexpr Field follower[] = {
    {"client", "number", "the client that this connection belongs to from now on"},
};

inline constexpr Field run_state[] = {
    {"running", "flag", ""},
    {"epoch", "number", "the number of the latest stop's run"},
};

inline constexpr Field rest[] = {
    {"running", "flag", ""},
    {"epoch", "number", "the number of the latest stop's run"},
    {"again", "flag", "the follower's next resume begins another drive"},
};

inline constexpr Field vcpus[] = {
    {"running", "flag", ""},
    {"epoch", "number", "the number of the latest stop's run"},
    {"vcpus[].vcpu", "number", "from 0"},
    {"vcpus[].thread", "text", "its thread id in RSP: 1, or p1.1"},
    {"vcpus[].state", "text", "running, stopped"},
    {"vcpus[].mode", "text", "long mode, ring 0; of a stopped one"},
    {"vcpus[].pc", "hex", "of a stopped one"},
    {"vcpus[].why", "text", "of a stopped one: held, or what happened"},
};

inline constexpr Argument walk_arguments[] = {
    vcpu,
    {"address", Type::number, Need::required, "virtual; x86: linear"},
    {"root", Type::number, Need::optional, "of other page tables than those in use; x86: a CR3"},
};
inline constexpr Field walk[] = {
    {"address", "hex", "as asked"},
    {"physical", "hex", ""},
    {"pageSize", "number", "bytes; 0 when paging is off"},
    {"root", "hex", "of the page tables used"},
    {"writable", "flag", ""},
    {"user", "flag", ""},
    {"executable", "flag", ""},
    {"accessed", "flag", ""},
    {"dirty", "flag", ""},
    {"levels[]", "text", "one for each page-table level, top first"},
};

inline constexpr Argument descriptor_tables_arguments[] = {
    vcpu,
    {"table", Type::text, Need::required, "idt, gdt, ldt, tss"},
    {"first", Type::number, Need::optional, "entry; 0 without it"},
    {"count", Type::number, Need::optional, "at most 256, as without it"},
};
inline constexpr Field descriptor_tables[] = {
    {"table", "text", ""},
    {"base", "hex", "linear address"},
    {"limit", "hex", "offset of its last byte"},
    {"entries[].number", "number", "vector; index; byte offset in the TSS. No all-zero entries"},
    {"entries[].kind", "text", "64-bit interrupt gate, 64-bit code, rsp0, …"},
    {"entries[].base", "hex", "where a gate leads, a segment begins; a TSS field's value"},
    {"entries[].limit", "hex", "of a segment: offset of its last byte"},
    {"entries[].selector", "hex", "of a gate: its code segment"},
    {"entries[].privilege", "number", "DPL"},
    {"entries[].stack", "number", "of a gate: its IST, 0 for none"},
    {"entries[].present", "flag", ""},
};

inline constexpr Argument msr_arguments[] = {
    vcpu,
    {"number", Type::number, Need::required, ""},
    {"value", Type::number, Need::optional, "written, then read back"},
};
inline constexpr Field msr[] = {
    {"number", "hex", ""},
    {"value", "hex", ""},
};

inline constexpr Argument stops_arguments[] = {
    {"count", Type::number, Need::optional, "the latest so many, 1 to 256; 32 without it"},
};
inline constexpr Field stops[] = {
    {"stops[].time", "number", "seconds since 1970, with fractions"},
    {"stops[].epoch", "number", "the run that it ended"},
    {"stops[].resumedBy", "number", "the client that began the run; null for none"},
    {"stops[].vcpus[].vcpu", "number", "the first is the one to look at"},
    {"stops[].vcpus[].kind", "text", "as in the event `stopped`"},
    {"stops[].vcpus[].address", "hex", "of a point or watch that was hit"},
    {"stops[].vcpus[].reasons[]", "text", ""},
};

inline constexpr Argument console_arguments[] = {
    {"type", Type::text, Need::optional, "typed as it is: give \"\\n\" for a line end"},
};
inline constexpr Field console[] = {
    {"text", "text", "the latest that the guest wrote"},
};

inline constexpr Argument phys_read_arguments[] = {
    {"address", Type::number, Need::required, "guest-physical"},
    {"length", Type::number, Need::required, "bytes, 1 to 32768"},
};
inline constexpr Field phys_read[] = {
    {"address", "hex", "as asked"},
    {"data", "text", "hex digits, two a byte; shorter than asked when a hole follows"},
};

inline constexpr Argument phys_write_arguments[] = {
    {"address", Type::number, Need::required, "guest-physical"},
    {"data", Type::text, Need::required, "hex digits, two a byte"},
};
inline constexpr Field phys_write[] = {
    {"address", "hex", "as asked"},
    {"length", "number", "bytes"},
};

inline constexpr Argument exceptions_arguments[] = {
    {"set", Type::list, Need::optional, "vectors to stop at: 14, \"#PF\""},
    {"error", Type::number, Need::optional, "with `set` and `clear`: only this error code"},
    {"clear", Type::list, Need::optional, "vectors of this client's to stop no more at"},
};
inline constexpr Field exceptions[] = {
    {"exceptions[].vector", "number", "the first; after all changes"},
    {"exceptions[].count", "number", "of vectors from there"},
    {"exceptions[].name", "text", "#PF; empty where it has none"},
    {"exceptions[].error", "hex", "where only this error code stops"},
    {"exceptions[].hits", "number", ""},
    {"exceptions[].owners[]", "number", "clients"},
};

inline constexpr Field trace[] = {
    {"on", "flag", "the server was started with --trace"},
};

inline constexpr Argument subscribe_arguments[] = {
    {"events", Type::list, Need::required,
     "names of the events below; replaces the ones before, [] ends it"},
};
inline constexpr Field subscribe[] = {
    {"events[]", "text", "that are told from now on"},
};

inline constexpr Argument help_arguments[] = {
    {"name", Type::text, Need::optional, "of one request, without jKvm."},
};
inline constexpr Field help[] = {
    {"requests[].name", "text", ""},
    {"requests[].meaning", "text", ""},
    {"requests[].arguments[]", "object", "name, type, required, meaning"},
    {"requests[].results[]", "object", "name, type, meaning"},
    {"events[]", "object", "name, meaning, fields; not with `name`"},
};

} // namespace schemas

inline constexpr std::array requests = {
    Schema{"capabilities", "what really works on this host", {}, schemas::capabilities},
    Schema{"points", "what is installed, for all clients", {}, schemas::points},
    Schema{
        "insert",
        "sets a point, also while the guest runs; again: with this rule instead of the one before",
        schemas::insert_arguments, schemas::inserted},
    Schema{"remove", "takes a point of this client's out, also while the guest runs",
           schemas::remove_arguments, schemas::point},
    Schema{"clients", "who is connected, and who has run control", {}, schemas::clients},
    Schema{"takeControl", "run control passes to this client", {}, schemas::take_control},
    Schema{"hello", "who this client is", schemas::hello_arguments, schemas::hello},
    Schema{"follower",
           "this connection is, from now on, one more of the client with this pairing; its resumes "
           "join runs, and move the guest in a drive alone; its interrupts stop nobody else",
           schemas::follower_arguments, schemas::follower},
    Schema{"follow",
           "the follower is about to join a run: the points that it takes out and puts back around "
           "that stay in",
           {},
           schemas::run_state},
    Schema{"drive",
           "takes run control; until `rest` the follower's resumes move the guest, and are one run "
           "to all other clients",
           {},
           schemas::run_state},
    Schema{"rest",
           "the drive is over; unless another client takes run control, or this one asks to "
           "`follow`, the follower's next resume begins another",
           {},
           schemas::rest},
    Schema{"interrupt", "stops the guest, for everybody", {}, schemas::run_state},
    Schema{"reset",
           "the machine starts anew, and is held at its entry; points stay",
           {},
           schemas::run_state},
    Schema{"powerOff", "ends the machine", {}, schemas::run_state},
    Schema{"vcpus", "the processors, also while they run", {}, schemas::vcpus},
    Schema{"walk", "page-table walk of an address", schemas::walk_arguments, schemas::walk},
    Schema{"descriptorTables", "entries of an x86 vCPU's descriptor tables",
           schemas::descriptor_tables_arguments, schemas::descriptor_tables},
    Schema{"msr", "reads a model-specific register, or writes it", schemas::msr_arguments,
           schemas::msr},
    Schema{"stops", "the time line, oldest first", schemas::stops_arguments, schemas::stops},
    Schema{"console", "the guest's console", schemas::console_arguments, schemas::console},
    Schema{"physRead", "guest-physical memory, also while the guest runs",
           schemas::phys_read_arguments, schemas::phys_read},
    Schema{"physWrite", "writes guest-physical memory", schemas::phys_write_arguments,
           schemas::phys_write},
    Schema{"exceptions", "stop when the CPU raises an exception", schemas::exceptions_arguments,
           schemas::exceptions},
    Schema{"trace", "whether the server writes a trace", {}, schemas::trace},
    Schema{"subscribe", "be told of events, by %Kvm notifications", schemas::subscribe_arguments,
           schemas::subscribe},
    Schema{"help", "this table", schemas::help_arguments, schemas::help},
};

/// What `subscribe` takes, and what the notification %Kvm:{"event":NAME,…} says beside its name.
struct EventSchema {
  std::string_view name, meaning;
  std::span<const Field> fields;
};

namespace schemas {

inline constexpr Field by{"by", "number", "the client that did it; null for none"};
inline constexpr Field by_name{"byName", "text", "that client in words; not for none"};
inline constexpr Field resumed[] = {{"epoch", "number", "of the run that begins"}, by, by_name};
inline constexpr Field memory_changed[] = {{"address", "hex", ""},
                                           {"space", "text", "current, root, physical"},
                                           {"root", "hex", "of space root alone"},
                                           {"length", "number", "bytes"},
                                           by,
                                           by_name};
inline constexpr Field stopped[] = {{"epoch", "number", "the run that it ended"},
                                    {"vcpus[].vcpu", "number", "the first is the one to look at"},
                                    {"vcpus[].kind", "text",
                                     "of the first reason: entry, step, point, watch, catch, "
                                     "interrupt, crash, halt, powerOff"},
                                    {"vcpus[].address", "hex", "of a point or watch that was hit"},
                                    {"vcpus[].reasons[]", "text", ""},
                                    {"by", "number", "who had resumed it; null for none"},
                                    by_name};
inline constexpr Field points_changed[] = {by, by_name};
inline constexpr Field control_taken[] = {by, by_name};
inline constexpr Field client_joined[] = {{"client", "number", ""},
                                          {"name", "text", "where it comes from"}};
inline constexpr Field client_left[] = {{"client", "number", ""}};
inline constexpr Field ended[] = {{"status", "number", "0 for power-off; what the guest has said"}};
inline constexpr Field console_output[] = {{"text", "text", "what the guest wrote"}};
inline constexpr Field log_line[] = {
    {"point", "text", "in words"},
    {"kind", "text", "as in jKvm.points, and so are the next"},
    {"address", "hex", ""},
    {"space", "text", "current, root, physical"},
    {"root", "hex", "of space root alone"},
    {"length", "number", ""},
    {"vcpu", "number", "that hit it"},
    {"text", "text", "empty where only dropped lines are told"},
    {"dropped", "number", "lines of this point left out before this one: too many at once"},
};

} // namespace schemas

inline constexpr std::array events = {
    EventSchema{"stopped", "the guest has stopped", schemas::stopped},
    EventSchema{"resumed", "another client has resumed it", schemas::resumed},
    EventSchema{"memory-changed", "another client has written memory", schemas::memory_changed},
    EventSchema{"points-changed", "another client's points have changed", schemas::points_changed},
    EventSchema{"control-taken", "another client has taken run control", schemas::control_taken},
    EventSchema{"client-joined", "", schemas::client_joined},
    EventSchema{"client-left", "", schemas::client_left},
    EventSchema{"ended", "the machine has ended: the connection ends, too", schemas::ended},
    EventSchema{"console", "the guest has written, told some 20 ms later", schemas::console_output},
    EventSchema{"log", "a log point of this client's was hit", schemas::log_line},
};

} // namespace kdbg::gdb::jkvm
