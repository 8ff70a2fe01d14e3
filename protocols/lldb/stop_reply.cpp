#include "protocols/lldb/stop_reply.hpp"

#include "adapter/commands.hpp"
#include "protocols/gdb/stop_reply.hpp"
#include "protocols/gdb/text.hpp"

#include <nlohmann/json.hpp>

#include <fmt/format.h>
#include <map>
#include <set>

namespace kdbg::lldb {
namespace {

using gdb::Conversation;

/// lldb's line of cached memory (target.process.memory-cache-line-size): a read of one byte in it
/// fetches all of it.
constexpr std::uint64_t line = 512;
/// Above it answers of all vCPUs hold few registers each, to stay within a packet.
constexpr std::size_t many_vcpus = 32;
/// Signals, as gdb numbers them. lldb takes SIGINT for no crash, as it does SIGSTOP, but would go
/// on by itself after that.
constexpr unsigned trap = 5, interrupt = 2;

/// What lldb shows as a thread's stop reason.
struct Told {
  std::string_view reason; ///< empty: the vCPU was only held
  std::string description;
  unsigned signal = 0;
};

std::string words_of(const VcpuStop& stop) {
  std::string text;
  for (const StopReason& reason : stop.reasons) {
    if (const auto* step = std::get_if<Stepped>(&reason); step && !step->waits) continue;
    text += (text.empty() ? "" : ", ") + describe(reason);
  }
  return text;
}

/// A hit that is not at pc, or of a point that it has not set, is none that lldb could find, and a
/// catchpoint is nothing it knows: they are a signal with a text, which lldb shows in its place.
/// Exceptions end a script of `lldb -b`, which is right for a guest that cannot go on.
Told told_of(const Conversation& c, const VcpuStop& stop) {
  if (const auto* watch = gdb::find_own<HitWatch>(c, stop)) {
    return {"watchpoint", fmt::format("{} 0 {}", watch->point.at.value, watch->address), trap};
  }
  if (gdb::find_own_at_pc(c, stop)) return {"breakpoint", {}, trap};
  if (gdb::find_reason<Crashed>(stop)) return {"exception", words_of(stop), gdb::signal_of(stop)};
  if (stop.reasons.size() == 1 && gdb::find_reason<Stepped>(stop)) {
    // after a trace that leads nowhere lldb would step again, for ever
    if (gdb::find_reason<Stepped>(stop)->waits) return {"signal", words_of(stop), interrupt};
    return {"trace", {}, trap};
  }
  if (stop.reasons.size() == 1 && gdb::find_reason<Interrupted>(stop)) {
    return {"signal", {}, gdb::signal_of(stop)};
  }
  return {"signal", words_of(stop), interrupt};
}

Told told_of(const Conversation& c, const Stop& stop, VcpuId vcpu) {
  for (const VcpuStop& entry : stop.vcpus) {
    if (entry.vcpu == vcpu) return told_of(c, entry);
  }
  return {};
}

std::string name_of(VcpuId vcpu) {
  return fmt::format("vCPU {}", index(vcpu));
}

/// What every thread list shows of a vCPU.
std::vector<RegisterId> shown_registers(const Conversation& c) {
  const ArchInfo& arch = c.target().arch();
  std::set<RegisterId> ids{arch.pc, arch.sp, arch.fp, arch.flags_register};
  if (c.target().vcpu_count() <= many_vcpus) {
    for (std::size_t i = 0; i < arch.registers.size(); ++i) {
      if (arch.registers[i].group == RegisterGroup::general) ids.insert(RegisterId(i));
    }
  }
  return {ids.begin(), ids.end()};
}

/// Those that could be read.
using Values = std::map<RegisterId, Bytes>;

Values read_shown(const Conversation& c, VcpuId vcpu) {
  const auto ids = shown_registers(c);
  Values out;
  auto read = c.session.execute(ReadRegisters{vcpu, ids});
  for (std::size_t i = 0; read && i < ids.size(); ++i) {
    if (auto& value = (*read)[i]) out.emplace(ids[i], *std::move(value));
  }
  return out;
}

/// The lines that a look at the top frame reads: lldb keeps them until the guest moves.
std::string render_memory(const Conversation& c, VcpuId vcpu, const Values& values) {
  std::set<std::uint64_t> lines;
  const ArchInfo& arch = c.target().arch();
  for (RegisterId id : {arch.sp, arch.fp, arch.pc}) {
    if (const auto value = values.find(id); value != values.end()) {
      lines.insert(gdb::low_bits(value->second) & ~(line - 1));
    }
  }
  std::string text;
  for (const std::uint64_t at : lines) {
    auto bytes = c.session.execute(ReadMemory{vcpu, c.address(at), line});
    if (bytes && bytes->size() == line) {
      text += fmt::format("memory:{:#x}={};", at, gdb::to_hex(*bytes));
    }
  }
  return text;
}

/// Every vCPU's number, pc if they stand still, and with several vCPUs why each stopped.
std::string render_all(const Conversation& c) {
  std::string ids, pcs;
  for (std::size_t i = 0; i < c.target().vcpu_count(); ++i) {
    const auto vcpu = static_cast<VcpuId>(i);
    ids += fmt::format("{}{:x}", i == 0 ? "" : ",", i + 1);
    const auto pc = c.session.execute(ReadRegister{vcpu, c.target().arch().pc});
    if (pc) pcs += fmt::format("{}{:016x}", pcs.empty() ? "" : ",", gdb::low_bits(*pc));
  }
  std::string text = fmt::format("threads:{};", ids);
  if (!pcs.empty()) text += fmt::format("thread-pcs:{};", pcs);
  if (c.target().vcpu_count() > 1) {
    text += fmt::format("jstopinfo:{};", gdb::hex_of(stop_infos(c).dump()));
  }
  return text;
}

std::string render(const Conversation& c, VcpuId vcpu, const Told& told, const std::string& all) {
  const Values values = read_shown(c, vcpu);
  std::string text = fmt::format("T{:02x}thread:{};name:{};core:{:x};{}", told.signal,
                                 gdb::render_thread(c, vcpu), name_of(vcpu), index(vcpu), all);
  for (const auto& [id, value] : values) {
    text += fmt::format("{:02x}:{};", index(id), gdb::to_hex(value));
  }
  text += render_memory(c, vcpu, values);
  if (!told.reason.empty()) text += fmt::format("reason:{};", told.reason);
  if (!told.description.empty()) {
    text += fmt::format("description:{};", gdb::hex_of(told.description));
  }
  return text;
}

} // namespace

nlohmann::json stop_infos(const Conversation& c) {
  auto list = nlohmann::json::array();
  for (std::size_t i = 0; i < c.target().vcpu_count(); ++i) {
    const auto vcpu = static_cast<VcpuId>(i);
    const Told told = told_of(c, c.target().stop(), vcpu);
    nlohmann::json info{{"tid", i + 1}, {"name", name_of(vcpu)}};
    if (!told.reason.empty()) {
      info["reason"] = told.reason;
      info["signal"] = told.signal;
    }
    if (!told.description.empty()) info["description"] = told.description;
    list.push_back(std::move(info));
  }
  return list;
}

nlohmann::json registers_of(const Conversation& c, VcpuId vcpu) {
  auto out = nlohmann::json::object();
  for (const auto& [id, value] : read_shown(c, vcpu)) {
    out[std::to_string(index(id))] = gdb::to_hex(value);
  }
  return out;
}

std::string render_stop(const Conversation& c, const Stop& stop) {
  if (!c.features.lldb) return gdb::render_stop(c, stop);
  const VcpuStop& first = stop.vcpus.front();
  return render(c, first.vcpu, told_of(c, first), render_all(c));
}

gdb::Answer refuse_resume(gdb::Conversation& c, const Error& error) {
  if (!c.features.lldb) return gdb::refuse_resume(c, error);
  return gdb::say(render(c, c.general, {"signal", error.what, interrupt}, render_all(c)));
}

std::string render_vcpu_stop(const Conversation& c, VcpuId vcpu) {
  return render(c, vcpu, told_of(c, c.target().stop(), vcpu), {});
}

} // namespace kdbg::lldb
