#pragma once
/// What the engine needs of whoever owns the virtual machine: the built-in machine today, an
/// embedding VMM tomorrow. Knows no point, no client.
#include "kvm/arch.hpp"

#include <chrono>
#include <functional>

namespace kdbg::kvm {

/// What a vCPU thread does next. The loop that a VMM runs on each vCPU's thread:
///   v = before_run;  enter: KVM_RUN, v = after_exit;  serve: serve the exit, v = before_run;
///   park: leave the loop.
enum class Verdict : std::uint8_t { enter, serve, park };

class Vmm {
public:
  virtual ~Vmm() = default;
  virtual std::size_t vcpu_count() const = 0;
  virtual Vcpu& vcpu(VcpuId id) = 0;
  virtual Cpu& cpu(VcpuId id) = 0;
  virtual GuestMemory& memory() = 0;
  /// From now on a guest's write to one of these 4 KiB pages (guest-physical, sorted, each once)
  /// is not done but exits as KVM_EXIT_MMIO, and the engine does it; no other page does so. Asked
  /// only where HostFacts::write_protect says that it works, and while all are parked. On error
  /// nothing has changed.
  virtual Status protect(std::span<const std::uint64_t> pages) = 0;
  /// These come out of KVM from now on, and no others of their kinds. Asked only for what
  /// HostFacts say can be had, and while all are parked.
  virtual Status intercept(const Intercepts& wanted) = 0;

  /// Runs `work` on the vCPU's own thread and waits for it. Only while that vCPU is parked.
  virtual void on_vcpu(VcpuId id, const std::function<void()>& work) = 0;
  /// Sends these vCPUs into their loops. Only while all are parked. When the last has parked
  /// again, the engine's `parked` is called on the strand.
  virtual void release(std::span<const VcpuId> ids) = 0;
  /// Makes every vCPU park soon. Any thread.
  virtual void halt() = 0;
  virtual bool halting() const = 0;
  /// Runs `work` later on the strand. Any thread.
  virtual void post(std::function<void()> work) = 0;

  /// The guest was stopped this long: its clocks must not have noticed.
  virtual void hide_pause(std::chrono::nanoseconds held) = 0;
  /// Types into the guest's console; returns the latest of what the guest wrote there.
  virtual Result<std::string> console(std::string_view typed) = 0;
  /// Machine reset: RAM, devices and vCPUs as at start. Only while all are parked.
  virtual Status reset() = 0;
};

} // namespace kdbg::kvm
