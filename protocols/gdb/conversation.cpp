#include "protocols/gdb/conversation.hpp"

#include "adapter/commands.hpp"
#include "protocols/gdb/text.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace kdbg::gdb {
namespace {

struct IdPart {
  bool all = false; // -1
  std::uint64_t value = 0;
};

Result<IdPart> parse_part(Scanner& scanner, std::string_view what) {
  const bool negative = scanner.take('-');
  const std::uint64_t value = TRY(scanner.hex(what));
  if (negative && value != 1) {
    return Error{Code::bad_request, fmt::format("{} -{:x} means nothing", what, value)};
  }
  return IdPart{negative, value};
}

/// The number that gdb shows: an errno where one fits.
unsigned error_number(const Error& error) {
  switch (error.code) {
  case Code::not_owner:
    return 0x01; // EPERM
  case Code::no_such_vcpu:
    return 0x03; // ESRCH
  case Code::running:
    return 0x10; // EBUSY
  case Code::closed:
    return 0x13; // ENODEV
  case Code::memory_fault:
    return 0x14; // what gdb stubs have always said for a hole
  case Code::bad_request:
    return 0x16; // EINVAL
  case Code::no_free_slot:
    return 0x1c; // ENOSPC
  case Code::unsupported:
    return 0x5f; // EOPNOTSUPP
  case Code::kernel:
    break;
  }
  const auto number = static_cast<unsigned>(error.sys_errno) & 0xff;
  return number != 0 ? number : 0x05; // EIO
}

} // namespace

std::string Conversation::tell(const Stop& stop) {
  session.told_stop();
  caught_up();
  const VcpuStop& first = stop.vcpus.front();
  general = first.vcpu;
  bool watch_told = false;
  for (const StopReason& reason : first.reasons) {
    if (!std::holds_alternative<HitWatch>(reason)) continue;
    if (std::exchange(watch_told, true)) untold.push_back({first.vcpu, {reason}});
  }
  // lldb hears of every vCPU at once
  if (!features.lldb) untold.insert(untold.end(), stop.vcpus.begin() + 1, stop.vcpus.end());
  return dialect.render_stop(*this, stop);
}

Status Conversation::write_register(VcpuId vcpu, RegisterId id, const Bytes& value) {
  const bool moves = id == target().arch().pc;
  const auto before = moves ? session.execute(ReadRegister{vcpu, id}) : Result<Bytes>(value);
  TRY(session.execute(WriteRegister{vcpu, id, value}));
  if (before && *before == value) return Done{};
  std::erase_if(untold, [&](const VcpuStop& stop) {
    return stop.vcpu == vcpu &&
           std::all_of(stop.reasons.begin(), stop.reasons.end(), [](const StopReason& reason) {
             return std::holds_alternative<HitPoint>(reason);
           });
  });
  return Done{};
}

Result<ThreadRef> parse_thread(const Conversation& conversation, std::string_view text) {
  Scanner scanner(text);
  if (scanner.take('p')) {
    const IdPart process = TRY(parse_part(scanner, "process id"));
    const std::uint64_t ours = conversation.settings.process;
    if (!process.all && process.value != 0 && process.value != customary_process &&
        process.value != ours) {
      return Error{Code::no_such_vcpu,
                   fmt::format("no process {:x}: there is only {:x}", process.value, ours)};
    }
    if (scanner.done()) return ThreadRef{ThreadRef::Kind::all};
    TRY(scanner.expect('.'));
  }
  const IdPart thread = TRY(parse_part(scanner, "thread id"));
  TRY(scanner.finish());
  if (thread.all) return ThreadRef{ThreadRef::Kind::all};
  if (thread.value == 0) return ThreadRef{ThreadRef::Kind::any};
  const std::size_t count = conversation.target().vcpu_count();
  if (thread.value > count) {
    return Error{Code::no_such_vcpu,
                 fmt::format("no thread {:x}: the machine has {} vCPUs", thread.value, count)};
  }
  return ThreadRef{ThreadRef::Kind::one, static_cast<VcpuId>(thread.value - 1)};
}

std::string render_thread(const Conversation& conversation, VcpuId vcpu) {
  const std::size_t thread = index(vcpu) + 1;
  if (conversation.features.multiprocess) {
    return fmt::format("p{:x}.{:x}", conversation.settings.process, thread);
  }
  return fmt::format("{:x}", thread);
}

std::string render_error(const Features& features, const Error& error) {
  if (features.error_text) return "E." + error.what;
  const auto number = fmt::format("E{:02x}", error_number(error));
  return features.error_strings ? number + ";" + hex_of(error.what) : number;
}

} // namespace kdbg::gdb
