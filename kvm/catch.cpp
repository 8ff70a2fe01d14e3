// What a guest asks of its machine and somebody wants to see: port and MMIO exits as they come,
// MSR accesses and hypercalls that KVM is made to hand over, exceptions by a site at their handler.
// Everything is filtered here; only what matches becomes a stop.
#include "kvm/engine.hpp"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>

namespace kdbg::kvm {
namespace {

/// KVM_ENOSYS (Linux, include/uapi/linux/kvm_para.h): what KVM answers to a hypercall that it does
/// not hand over.
constexpr std::uint64_t hypercall_unknown = static_cast<std::uint64_t>(-1000);

/// One access that made the guest exit.
struct Asked {
  PointKind kind{};
  std::uint64_t number = 0;
  bool write = false;
  std::uint64_t value = 0;
  std::uint8_t length = 0;
};

std::uint64_t value_at(const std::uint8_t* data, std::size_t length) {
  std::uint64_t value = 0;
  std::memcpy(&value, data, std::min(length, sizeof value));
  return value;
}

/// A string instruction asks for several at once.
std::vector<Asked> asked_by(const kvm_run& run) {
  switch (run.exit_reason) {
  case KVM_EXIT_IO: {
    std::vector<Asked> out;
    const auto* data = reinterpret_cast<const std::uint8_t*>(&run) + run.io.data_offset;
    for (std::uint32_t i = 0; i < run.io.count; ++i, data += run.io.size) {
      out.push_back({PointKind::port, run.io.port, run.io.direction == KVM_EXIT_IO_OUT,
                     value_at(data, run.io.size), run.io.size});
    }
    return out;
  }
  case KVM_EXIT_MMIO:
    return {{PointKind::mmio, run.mmio.phys_addr, run.mmio.is_write != 0,
             value_at(run.mmio.data, run.mmio.len), static_cast<std::uint8_t>(run.mmio.len)}};
  case KVM_EXIT_X86_RDMSR:
  case KVM_EXIT_X86_WRMSR:
    return {{PointKind::msr, run.msr.index, run.exit_reason == KVM_EXIT_X86_WRMSR, run.msr.data}};
  case KVM_EXIT_HYPERCALL:
    return {{PointKind::hypercall, run.hypercall.nr, true, run.hypercall.args[0]}};
  default:
    return {};
  }
}

/// An access that begins below the first port or address may still reach it.
bool matches(const Point& point, const Asked& asked) {
  if (point.kind != asked.kind || !(asked.write ? point.writes : point.reads)) return false;
  const bool reaches = asked.number < point.at.value &&
                       point.at.value - asked.number < std::max<unsigned>(asked.length, 1);
  return (reaches || covers(point, asked.number)) &&
         point.value.value_or(asked.value) == asked.value;
}

} // namespace

/// The exit has been served, so that what was read is known, and is not yet completed.
void Engine::catch_exit(VcpuId id) {
  const kvm_run& page = vmm_.vcpu(id).run_page();
  if (!sites_.placed().catches || is_protected_write(page)) return;
  VcpuRun& run = runs_[index(id)];
  const std::vector<Asked> all = asked_by(page);
  for (const Site& site : sites_.placed().sites) {
    const auto fits = [&](const Asked& asked) { return matches(site.point, asked); };
    const auto first = std::find_if(all.begin(), all.end(), fits);
    if (!is_catch(site.point.kind) || first == all.end()) continue;
    Caught caught{site.point, first->number, first->write, first->value, first->length};
    // a string instruction is one stop
    if (all.size() > 1) caught.note = fmt::format("the first that fits of {} at once", all.size());
    run.seen.emplace_back(std::move(caught));
  }
}

/// Handed over because somebody catches it, and done for the guest. KVM_SET_MSRS is the host's way:
/// it takes some values that a wrmsr would not.
Verdict Engine::on_register_exit(VcpuId id) {
  if (auto served = vmm_.cpu(id).serve_register_exit(); !served) {
    return stop_here(id, Crashed{served.error().what});
  }
  return before_run(id);
}

Verdict Engine::on_hypercall(VcpuId id) {
  vmm_.vcpu(id).run_page().hypercall.ret = hypercall_unknown;
  return before_run(id);
}

/// The pc is at a handler that is caught. Nothing when the error code is not the one wanted.
Result<std::optional<Caught>> Engine::exception_at(VcpuId id, const Point& point) {
  const auto vector = static_cast<unsigned>(point.at.value);
  const ExceptionFrame frame = TRY(vmm_.cpu(id).exception_frame(vector));
  if (point.value.value_or(frame.error) != frame.error) return std::optional<Caught>{};
  return std::optional(Caught{point, vector, false, frame.error, 0, frame.note});
}

Status Engine::intercept() {
  Intercepts wanted = TRY(sites_.intercepts());
  if (wanted == intercepted_) return Done{};
  intercepted_.reset(); // a failure may leave half of it done
  TRY(vmm_.intercept(wanted));
  intercepted_ = std::move(wanted);
  return Done{};
}

} // namespace kdbg::kvm
