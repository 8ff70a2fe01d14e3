#pragma once
/// Everything a client can do to the machine, one struct each. The command names its reply type
/// and what it must be allowed; `apply` does it; `subject`, for the audit, says what it is done to.
#include "adapter/core_header.hpp"
#include "adapter/session.hpp"

namespace kdbg {

struct ReadRegister {
  using Reply = Bytes;
  static constexpr Access access = Access::observe;
  static constexpr std::string_view name = "read_register";
  VcpuId vcpu;
  RegisterId id;
  Result<Reply> apply(Caller c) const { return c.target.read_register(vcpu, id); }
};

struct ReadRegisters {
  using Reply = std::vector<Result<Bytes>>;
  static constexpr Access access = Access::observe;
  static constexpr std::string_view name = "read_registers";
  VcpuId vcpu;
  std::span<const RegisterId> ids;
  Result<Reply> apply(Caller c) const { return c.target.read_registers(vcpu, ids); }
};

struct WriteRegister {
  using Reply = Done;
  static constexpr Access access = Access::change;
  static constexpr std::string_view name = "write_register";
  VcpuId vcpu;
  RegisterId id;
  ByteView value;
  Result<Reply> apply(Caller c) const { return c.target.write_register(vcpu, id, value); }
  std::string subject() const;
};

struct ReadMemory {
  using Reply = Bytes;
  static constexpr Access access = Access::observe;
  static constexpr std::string_view name = "read_memory";
  VcpuId vcpu;
  Address at;
  std::size_t length;
  Result<Reply> apply(Caller c) const { return c.target.read_memory(vcpu, at, length); }
};

struct WriteMemory {
  using Reply = Done;
  static constexpr Access access = Access::change;
  static constexpr std::string_view name = "write_memory";
  VcpuId vcpu;
  Address at;
  ByteView data;
  Result<Reply> apply(Caller c) const {
    TRY(c.target.write_memory(vcpu, at, data));
    c.arbiter.publish(MemoryChanged{at, data.size(), c.id}, c.id);
    return Done{};
  }
  std::string subject() const;
};

struct Translate {
  using Reply = Translation;
  static constexpr Access access = Access::observe;
  static constexpr std::string_view name = "translate";
  VcpuId vcpu;
  Address at;
  Result<Reply> apply(Caller c) const { return c.target.translate(vcpu, at); }
};

struct FindRegion {
  using Reply = Region;
  static constexpr Access access = Access::observe;
  static constexpr std::string_view name = "find_region";
  VcpuId vcpu;
  Address at;
  Result<Reply> apply(Caller c) const { return c.target.region(vcpu, at); }
};

/// What stands before the memory in a core file.
struct DescribeCore {
  using Reply = Bytes;
  static constexpr Access access = Access::observe;
  static constexpr std::string_view name = "describe_core";
  std::optional<std::uint64_t> vmcoreinfo;
  Result<Reply> apply(Caller c) const { return render_core_header(c.target, vmcoreinfo); }
};

struct SearchCore {
  using Reply = CoreSearch;
  static constexpr Access access = Access::observe;
  static constexpr std::string_view name = "search_core";
  std::uint64_t from;
  Result<Reply> apply(Caller c) const { return search_vmcoreinfo(c.target, from); }
};

struct Disassemble {
  using Reply = std::vector<CodeLine>;
  static constexpr Access access = Access::observe;
  static constexpr std::string_view name = "disassemble";
  VcpuId vcpu;
  std::uint64_t at;
  std::size_t count;
  Result<Reply> apply(Caller c) const { return c.target.disassemble(vcpu, at, count); }
};

struct InsertPoint {
  using Reply = Done;
  static constexpr Access access = Access::act;
  static constexpr std::string_view name = "insert_point";
  VcpuId vcpu;
  Point point;
  Rule rule{};
  Result<Reply> apply(Caller c) const { return c.arbiter.insert(c.id, vcpu, point, rule); }
  std::string subject() const { return describe(point); }
};

struct RemovePoint {
  using Reply = Done;
  static constexpr Access access = Access::act;
  static constexpr std::string_view name = "remove_point";
  Point point;
  Result<Reply> apply(Caller c) const { return c.arbiter.remove(c.id, point); }
  std::string subject() const { return describe(point); }
};

struct RemoveAllPoints {
  using Reply = Done;
  static constexpr Access access = Access::change;
  static constexpr std::string_view name = "remove_all_points";
  Result<Reply> apply(Caller c) const { return c.arbiter.remove_all(c.id); }
};

struct ListPoints {
  using Reply = std::vector<PointState>;
  static constexpr Access access = Access::observe;
  static constexpr std::string_view name = "list_points";
  Result<Reply> apply(Caller c) const { return c.arbiter.points(); }
};

struct ListStops {
  using Reply = std::vector<PastStop>;
  static constexpr Access access = Access::observe;
  static constexpr std::string_view name = "list_stops";
  std::size_t most;
  Result<Reply> apply(Caller c) const { return c.arbiter.stops(most); }
};

struct ReadDescriptors {
  using Reply = DescriptorList;
  static constexpr Access access = Access::observe;
  static constexpr std::string_view name = "read_descriptors";
  VcpuId vcpu;
  TableKind table;
  std::uint64_t first, count;
  Result<Reply> apply(Caller c) const { return c.target.descriptors(vcpu, table, first, count); }
};

struct ReadMsr {
  using Reply = std::uint64_t;
  static constexpr Access access = Access::observe;
  static constexpr std::string_view name = "read_msr";
  VcpuId vcpu;
  std::uint32_t number;
  Result<Reply> apply(Caller c) const { return c.target.read_msr(vcpu, number); }
};

struct WriteMsr {
  using Reply = Done;
  static constexpr Access access = Access::change;
  static constexpr std::string_view name = "write_msr";
  VcpuId vcpu;
  std::uint32_t number;
  std::uint64_t value;
  Result<Reply> apply(Caller c) const { return c.target.write_msr(vcpu, number, value); }
  std::string subject() const;
};

struct DescribeVcpu {
  using Reply = std::string;
  static constexpr Access access = Access::observe;
  static constexpr std::string_view name = "describe_vcpu";
  VcpuId vcpu;
  Result<Reply> apply(Caller c) const { return c.target.describe(vcpu); }
};

/// The arbiter admits it itself: who may not move the guest may still join a run.
struct ResumeGuest {
  using Reply = Moved;
  static constexpr Access access = Access::observe;
  static constexpr std::string_view name = "resume";
  Resume how;
  Result<Reply> apply(Caller c) const { return c.arbiter.resume(c.id, how, c.follower); }
  std::string subject() const;
};

/// What others are shown of this client.
struct Introduce {
  struct Reply {
    std::string pairing; ///< for a follower
    Role role;
  };
  static constexpr Access access = Access::observe;
  static constexpr std::string_view name = "introduce";
  std::string_view as;
  bool only_observes;
  Result<Reply> apply(Caller c) const {
    c.arbiter.rename(c.id, std::string(as));
    if (only_observes) c.arbiter.lower(c.id);
    return Reply{c.arbiter.pairing(c.id), c.arbiter.role(c.id)};
  }
};

/// The follower is about to join a run.
struct KeepPoints {
  using Reply = Done;
  static constexpr Access access = Access::observe;
  static constexpr std::string_view name = "follow";
  Result<Reply> apply(Caller c) const {
    c.arbiter.keep_points(c.id, true);
    return Done{};
  }
};

/// Until Rest, what this client's follower does is one run to everybody else.
struct Drive {
  using Reply = Done;
  static constexpr Access access = Access::drive;
  static constexpr std::string_view name = "drive";
  Result<Reply> apply(Caller c) const { return c.arbiter.drive(c.id); }
};

/// Does the follower's next resume begin another drive?
struct Rest {
  using Reply = bool;
  static constexpr Access access = Access::observe;
  static constexpr std::string_view name = "rest";
  Result<Reply> apply(Caller c) const { return c.arbiter.rest(c.id); }
};

struct ListClients {
  using Reply = std::vector<ClientInfo>;
  static constexpr Access access = Access::observe;
  static constexpr std::string_view name = "list_clients";
  Result<Reply> apply(Caller c) const { return c.arbiter.clients(); }
};

/// Always allowed, also while another client's run is under way: a client that has gone silent
/// must not keep a machine for ever.
struct TakeControl {
  using Reply = Done;
  static constexpr Access access = Access::act;
  static constexpr std::string_view name = "take_control";
  Result<Reply> apply(Caller c) const {
    c.arbiter.take_control(c.id);
    return Done{};
  }
};

/// Needs no lease: whoever sees a guest run may stop it.
struct Interrupt {
  using Reply = Done;
  static constexpr Access access = Access::act;
  static constexpr std::string_view name = "interrupt";
  Result<Reply> apply(Caller c) const {
    c.arbiter.interrupt(c.id);
    return Done{};
  }
};

struct ResetMachine {
  using Reply = Done;
  static constexpr Access access = Access::drive;
  static constexpr std::string_view name = "reset";
  Result<Reply> apply(Caller c) const { return c.target.reset(); }
};

struct PowerOff {
  using Reply = Done;
  static constexpr Access access = Access::drive;
  static constexpr std::string_view name = "power_off";
  Result<Reply> apply(Caller c) const { return c.target.power_off(); }
};

/// The latest that the guest wrote.
struct ReadConsole {
  using Reply = std::string;
  static constexpr Access access = Access::observe;
  static constexpr std::string_view name = "read_console";
  Result<Reply> apply(Caller c) const { return c.target.console({}); }
};

/// Types first. Works while the guest runs: that is when it listens.
struct Console {
  using Reply = std::string;
  static constexpr Access access = Access::act;
  static constexpr std::string_view name = "console";
  std::string_view typed;
  Result<Reply> apply(Caller c) const { return c.target.console(typed); }
};

} // namespace kdbg
