#include "protocols/gdb/stop_reply.hpp"

#include "protocols/gdb/registers.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <set>

namespace kdbg::gdb {
namespace {

// gdb's signal numbers, which are its own.
enum Signal : unsigned { interrupt = 0x02, trap = 0x05, fault = 0x0b, terminate = 0x0f };

} // namespace

unsigned signal_of(const VcpuStop& stop) {
  if (find_reason<Crashed>(stop)) return Signal::fault;
  if (find_reason<PoweredOff>(stop)) return Signal::terminate;
  const bool only_interrupted =
      std::all_of(stop.reasons.begin(), stop.reasons.end(), [](const StopReason& reason) {
        return std::holds_alternative<Interrupted>(reason);
      });
  return only_interrupted ? Signal::interrupt : Signal::trap;
}

namespace {

std::string_view watch_key(PointKind kind) {
  switch (kind) {
  case PointKind::read:
    return "rwatch";
  case PointKind::access:
    return "awatch";
  default:
    return "watch";
  }
}

} // namespace

bool at_pc(const Conversation& conversation, VcpuId vcpu, std::uint64_t address) {
  auto value = read_value(conversation, vcpu, conversation.target().arch().pc);
  if (!value) return false;
  std::string expected;
  for (std::size_t i = 0; i < value->size() / 2; ++i) {
    expected += fmt::format("{:02x}", i < 8 ? address >> (8 * i) & 0xff : 0);
  }
  return *value == expected;
}

const HitPoint* find_own_at_pc(const Conversation& conversation, const VcpuStop& stop) {
  const auto* hit = find_own<HitPoint>(conversation, stop);
  return hit && at_pc(conversation, stop.vcpu, hit->point.at.value) ? hit : nullptr;
}

namespace {

/// gdb keeps the last of several keys, and a watch is the one that it cannot find out by itself. It
/// takes a hit that is not at pc for one of a point removed long ago, and goes on in silence: such
/// a hit is told without a key, as a plain trap.
std::string render_key(const Conversation& conversation, const VcpuStop& stop) {
  const Features& features = conversation.features;
  if (const auto* watch = find_own<HitWatch>(conversation, stop)) {
    return fmt::format("{}:{:x};", watch_key(watch->point.kind), watch->address);
  }
  const auto* hit = find_own_at_pc(conversation, stop);
  if (!hit) return {};
  const bool software = hit->point.kind == PointKind::software;
  if (software) return features.swbreak ? "swbreak:;" : "";
  return features.hwbreak ? "hwbreak:;" : "";
}

/// What every client asks for at every stop comes with it.
std::string render_expedited(const Conversation& conversation, VcpuId vcpu) {
  const ArchInfo& arch = conversation.target().arch();
  std::string text;
  for (RegisterId id : std::set{arch.pc, arch.sp, arch.fp, arch.flags_register}) {
    if (auto value = read_value(conversation, vcpu, id)) {
      text += fmt::format("{:02x}:{};", index(id), *value);
    }
  }
  return text;
}

} // namespace

std::string render_stop(const Conversation& conversation, const Stop& stop) {
  const VcpuStop& first = stop.vcpus.front();
  return fmt::format("T{:02x}{}thread:{};core:{:x};{}", signal_of(first),
                     render_expedited(conversation, first.vcpu),
                     render_thread(conversation, first.vcpu), index(first.vcpu),
                     render_key(conversation, first));
}

Answer refuse_resume(Conversation& conversation, const Error& error) {
  if (error.code != Code::not_owner) return error;
  conversation.print(error.what + "\n");
  const std::uint64_t epoch = conversation.target().stop().epoch;
  return say(render_stop(conversation, Stop{epoch, {{conversation.general, {Interrupted{}}}}}));
}

std::string render_exit(const Conversation& conversation) {
  const unsigned status = static_cast<unsigned>(conversation.gone.value_or(0)) & 0xff;
  std::string text = fmt::format("W{:02x}", status);
  if (!conversation.features.multiprocess) return text;
  return text + fmt::format(";process:{:x}", conversation.settings.process);
}

std::string render_reasons(const Stop& stop, VcpuId vcpu) {
  std::string text;
  for (const VcpuStop& entry : stop.vcpus) {
    if (entry.vcpu != vcpu) continue;
    for (const StopReason& reason : entry.reasons) {
      text += (text.empty() ? "" : ", ") + describe(reason);
    }
  }
  return text;
}

} // namespace kdbg::gdb
