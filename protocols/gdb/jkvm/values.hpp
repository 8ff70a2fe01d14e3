#pragma once
/// What `monitor`, `info os` and `jKvm.*` all show, gathered once; each renders it its own way.
#include "protocols/gdb/conversation.hpp"

namespace kdbg::gdb {

struct VcpuState {
  VcpuId vcpu{};
  bool running = false;
  // of a stopped one
  std::string mode{};                ///< "long mode, ring 0"
  std::optional<std::uint64_t> pc{}; ///< as the register has it
  std::string why{};                 ///< "held", or what happened
};
Result<std::vector<VcpuState>> list_vcpus(Conversation& c);

/// Who had run control before this client took it.
Result<std::optional<ClientId>> take_control(Conversation& c);

/// Catchpoints of all clients.
Result<std::vector<PointState>> list_catchpoints(Conversation& c);

/// x86's exceptions (SDM vol. 3, table 6-1): 14 is "#PF". Empty for one without a name.
std::string exception_name(std::uint64_t vector);
/// "#PF", "pf", in any case.
std::optional<std::uint64_t> exception_named(std::string_view name);

/// idt, gdt, ldt, tss.
Result<TableKind> parse_table(std::string_view name);

} // namespace kdbg::gdb
