#pragma once
/// Why the guest stopped, and what else clients are told. A stop is a list: everything that
/// happened, on every vCPU, under the run epoch it ended.
#include "adapter/types.hpp"

#include <optional>
#include <variant>

namespace kdbg {

/// Held before its first instruction (start-up, machine reset).
struct AtEntry {};
struct Stepped {
  bool waits = false; ///< for an interrupt, which a step holds back: it stands where it began
};
/// Whose wish (adapter/rule.hpp) makes a hit a stop.
struct Matched {
  std::vector<ClientId> clients{}; ///< none: nobody is known to own the point
  std::string note{};              ///< which of their rules could not be evaluated, and why
};
/// An execution point; the pc is still at it.
struct HitPoint {
  Point point;
  Matched matched{};
};
/// A watchpoint; x86 has executed the access. `before`/`after` are the watched bytes, `after`
/// empty where the method cannot tell.
struct HitWatch {
  Point point;
  std::uint64_t address = 0; ///< lowest watched byte touched, as far as the CPU tells
  Bytes before, after;
  Matched matched{};
};
/// A catchpoint: what the guest asked of its machine, which has answered; or an exception that its
/// CPU has raised, the pc being at the handler.
struct Caught {
  Point point;
  std::uint64_t number = 0; ///< port, physical address, MSR, hypercall or vector
  bool write = false;       ///< of the guest's
  std::uint64_t value = 0;  ///< what was read or written; an exception's error code, or 0
  std::uint8_t length = 0;  ///< bytes; 0 where it means nothing
  std::string note{};       ///< more in words, or nothing
  Matched matched{};
};
/// A client asked; absent when the server itself did.
struct Interrupted {
  std::optional<ClientId> by;
};
/// The guest cannot go on: triple fault, KVM internal error, fail-entry. State intact.
struct Crashed {
  std::string what;
};
/// HLT that nothing can ever end (no in-kernel irqchip, or every vCPU halted with IF clear).
struct Halted {};
/// The guest asked to power off or to leave with a status (debug-exit port). State intact; the
/// next resume ends the run.
struct PoweredOff {
  int status = 0;
};

using StopReason = std::
    variant<AtEntry, Stepped, HitPoint, HitWatch, Caught, Interrupted, Crashed, Halted, PoweredOff>;

struct VcpuStop {
  VcpuId vcpu{};
  std::vector<StopReason> reasons; ///< never empty
};

/// `vcpus[0]` is the vCPU that a client should look at first. Never empty.
struct Stop {
  std::uint64_t epoch = 0; ///< counts runs; every stop ends exactly one
  std::vector<VcpuStop> vcpus;
};

struct Stopped {
  Stop stop;
  std::optional<ClientId> by{}; ///< who had resumed it, if a client did; the arbiter knows
};
struct Resumed {
  std::uint64_t epoch = 0; ///< of the run that begins
  std::optional<ClientId> by;
};
struct MemoryChanged {
  Address at;
  std::size_t length = 0;
  std::optional<ClientId> by;
};
/// The run is over and no more stops will come.
struct Gone {
  int status = 0;
};
/// Points went in or out, or changed owners.
struct PointsChanged {
  ClientId by{};
};
/// Run control has passed to this client, by its wish alone.
struct ControlTaken {
  ClientId by{};
};
struct ClientJoined {
  ClientId id{};
  std::string name; ///< where it comes from; may be empty
};
struct ClientLeft {
  ClientId id{};
};
/// What the guest wrote on its console since the last of these.
struct ConsoleOutput {
  std::string text;
};
/// A log point was hit (adapter/rule.hpp). Only `client`, who set it, is told.
struct LogLine {
  ClientId client{};
  Point point;
  VcpuId vcpu{};
  std::string text;          ///< without a line end; empty where only `dropped` is told
  std::uint64_t dropped = 0; ///< lines of this point left out before this one: too many at once
};
using Event = std::variant<Stopped,
                           Resumed,
                           MemoryChanged,
                           Gone,
                           PointsChanged,
                           ControlTaken,
                           ClientJoined,
                           ClientLeft,
                           ConsoleOutput,
                           LogLine>;

/// std::visit with lambdas.
template <class... F>
struct Match : F... {
  using F::operator()...;
};
template <class... F>
Match(F...) -> Match<F...>;

/// The status that the guest wants to end with, when it asked to.
std::optional<int> powered_off(const Stop& stop);

/// The point that a reason is a hit of; null for what is none.
const Point* point_of(const StopReason& reason);
/// Whose hit it is; null for what is none.
Matched* matched_of(StopReason& reason);

/// In one word: entry, step, point, watch, catch, interrupt, crash, halt, powerOff.
std::string_view kind_of(const StopReason& reason);

/// "hardware point at 0x1000", "interrupted by client 2": for logs and people.
std::string describe(const StopReason& reason);

} // namespace kdbg
