#pragma once
/// A stop, or the end of the run, as RSP says it. Reads registers, changes nothing.
#include "protocols/gdb/conversation.hpp"

namespace kdbg::gdb {

/// The first reason of this kind, or null.
template <class Reason>
const Reason* find_reason(const VcpuStop& stop) {
  for (const StopReason& reason : stop.reasons) {
    if (const auto* found = std::get_if<Reason>(&reason)) return found;
  }
  return nullptr;
}

/// A hit of a point that this client has set, or null: one of another's is a trap like any other to
/// it.
template <class Hit>
const Hit* find_own(const Conversation& conversation, const VcpuStop& stop) {
  for (const StopReason& reason : stop.reasons) {
    const auto* hit = std::get_if<Hit>(&reason);
    if (hit != nullptr && conversation.session.owns(hit->point)) return hit;
  }
  return nullptr;
}

/// gdb's signal number for it: 2 interrupted, 5 trap, 11 crashed, 15 powered off.
unsigned signal_of(const VcpuStop& stop);
/// Does the client's pc show this address? Where code has a segment base, pc is an offset.
bool at_pc(const Conversation& conversation, VcpuId vcpu, std::uint64_t address);
/// The hit of an execution point of this client's that its pc shows, or null: no debugger looks for
/// one elsewhere.
const HitPoint* find_own_at_pc(const Conversation& conversation, const VcpuStop& stop);

/// T packet: signal, expedited registers, thread, core, and why.
std::string render_stop(const Conversation& conversation, const Stop& stop);
/// The answer to a resume that did not happen. Without run control that is a line for the user and
/// a stop where the guest is: after an error gdb would ask again and again.
Answer refuse_resume(Conversation& conversation, const Error& error);
/// W packet.
std::string render_exit(const Conversation& conversation);
/// "stepped, hardware point at 0x1000": why `vcpu` stopped; empty when it was merely held.
std::string render_reasons(const Stop& stop, VcpuId vcpu);

} // namespace kdbg::gdb
