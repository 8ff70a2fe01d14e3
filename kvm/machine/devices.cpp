// What the guest finds at I/O ports and at addresses without memory, and its sense of time.
#include "kvm/engine.hpp"
#include "kvm/machine/acpi.hpp"
#include "kvm/machine/machine.hpp"

#include <algorithm>
#include <cstring>

namespace kdbg::kvm {
namespace {

constexpr std::uint16_t test_in = 0xe0, test_out = 0xe1, test_count = 0xe2;
constexpr std::uint64_t test_device = 0xfd000000;
constexpr std::uint16_t debug_exit = 0xf4, keyboard_status = 0x64;
constexpr std::uint16_t system_control = 0x92; // bit 1: A20 is open, as always here
constexpr std::uint8_t a20_open = 2, fast_reset = 1;
// Bochs' and QEMU's debug port: firmware looks for the byte before it writes there.
constexpr std::uint16_t debug_port = 0x402;
constexpr std::uint8_t debug_port_is_here = 0xe9;
constexpr std::uint8_t sleep_enable = 0x20,
                       sci_enabled = 0x01; // PM1 control, bits 13 and 0 (ACPI 6.3, 4.8.3.2)
constexpr std::uint8_t keyboard_reset = 0xfe;
constexpr std::uint32_t msr_tsc = 0x10, msr_tsc_deadline = 0x6e0;
constexpr std::uint32_t tsc_control = 0; // KVM_VCPU_TSC_CTRL
constexpr std::uint64_t tsc_offset = 0;  // KVM_VCPU_TSC_OFFSET

/// One vCPU's TSC, back by the pause; its deadline timer is set anew under it. Best effort: a KVM
/// without these leaves a guest that sees time jump, as under any other debugger.
void turn_back(Vcpu& vcpu, std::uint64_t nanoseconds) {
  auto khz = vcpu.ioctl(KVM_GET_TSC_KHZ, nullptr);
  if (!khz || *khz <= 0) return;
  const auto ticks = static_cast<std::uint64_t>(static_cast<unsigned __int128>(nanoseconds) *
                                                static_cast<unsigned>(*khz) / 1000000);
  std::uint64_t offset = 0;
  kvm_device_attr attribute{0, tsc_control, tsc_offset, reinterpret_cast<std::uint64_t>(&offset)};
  if (vcpu.ioctl(KVM_GET_DEVICE_ATTR, &attribute)) {
    offset -= ticks;
    ignore(vcpu.ioctl(KVM_SET_DEVICE_ATTR, &attribute));
  } else {
    x86::OneMsr tsc;
    tsc.entry.index = msr_tsc;
    if (auto got = vcpu.ioctl(x86::get_msrs, &tsc); got && *got == 1) {
      tsc.entry.data -= std::min(tsc.entry.data, ticks);
      ignore(vcpu.ioctl(x86::set_msrs, &tsc));
    }
  }
  x86::OneMsr deadline;
  deadline.entry.index = msr_tsc_deadline;
  auto armed = vcpu.ioctl(x86::get_msrs, &deadline);
  if (armed && *armed == 1 && deadline.entry.data != 0) {
    ignore(vcpu.ioctl(x86::set_msrs, &deadline));
  }
  // tells the guest's soft-lockup watchdog; refused when the guest does not use the KVM clock
  ignore(vcpu.ioctl(KVM_KVMCLOCK_CTRL, nullptr));
}

} // namespace

Verdict Machine::serve(VcpuId id) {
  kvm_run& run = vcpu(id).run_page();
  std::optional<StopReason> end;
  switch (run.exit_reason) {
  case KVM_EXIT_IO:
    end = port_access(run);
    break;
  case KVM_EXIT_MMIO:
    memory_access(run);
    break;
  case KVM_EXIT_SYSTEM_EVENT:
    end = Crashed{"the guest raised system event " + std::to_string(run.system_event.type)};
    break;
  default:
    end = Crashed{"KVM exit reason " + std::to_string(run.exit_reason) +
                  " is not served by this machine"};
    break;
  }
  return end ? engine_->stop_here(id, *std::move(end)) : engine_->before_run(id);
}

std::optional<StopReason> Machine::port_access(kvm_run& run) {
  auto* data = reinterpret_cast<std::uint8_t*>(&run) + run.io.data_offset;
  std::optional<StopReason> end;
  for (std::uint32_t i = 0; i < run.io.count; ++i) {
    for (std::uint8_t byte = 0; byte < run.io.size; ++byte, ++data) {
      const auto port = static_cast<std::uint16_t>(run.io.port + byte);
      if (run.io.direction == KVM_EXIT_IO_IN) {
        *data = port_read(port);
      } else if (auto why = port_write(port, *data, run.io.size)) {
        end = std::move(why);
      }
    }
  }
  return end;
}

std::optional<StopReason>
Machine::port_write(std::uint16_t port, std::uint8_t value, std::uint8_t size) {
  if (port >= Serial::base && port < Serial::base + Serial::ports) {
    serial_.write(port - Serial::base, value);
    return {};
  }
  const std::lock_guard lock(devices_mutex_);
  switch (port) {
  case test_out:
    ++counters_.port_writes;
    break;
  case Cmos::index_port:
    cmos_.select(value);
    break;
  case Cmos::data_port:
    cmos_.write(value);
    break;
  case debug_port:
    if (outlets_.debug_console) outlets_.debug_console(std::byte{value});
    break;
  case system_control:
    if ((value & fast_reset) != 0) return Crashed{"the guest asked for a reset (port 0x92)"};
    break;
  case debug_exit:
    return PoweredOff{value << 1 | 1};
  case acpi_control + 1:
    if ((value & sleep_enable) != 0) return PoweredOff{0};
    break;
  case keyboard_status:
    if (value == keyboard_reset) {
      return Crashed{"the guest asked for a reset (keyboard controller)"};
    }
    break;
  case acpi_reset:
    if (size == 1 && (value & 4) != 0) return Crashed{"the guest asked for a reset (port 0xcf9)"};
    break;
  default:
    break;
  }
  return {};
}

std::uint8_t Machine::port_read(std::uint16_t port) {
  if (port >= Serial::base && port < Serial::base + Serial::ports) {
    return serial_.read(port - Serial::base);
  }
  const std::lock_guard lock(devices_mutex_);
  switch (port) {
  case test_in:
    return 0x5a;
  case test_count:
    return static_cast<std::uint8_t>(counters_.port_writes);
  case Cmos::data_port:
    return cmos_.read();
  case debug_port:
    return outlets_.debug_console ? debug_port_is_here : 0xff;
  case system_control:
    return a20_open;
  case acpi_control:
    return sci_enabled;
  case acpi_events:
  case acpi_events + 1:
  case acpi_events + 2:
  case acpi_events + 3:
  case acpi_control + 1:
    return 0;
  default:
    return 0xff;
  }
}

void Machine::memory_access(kvm_run& run) {
  const std::lock_guard lock(devices_mutex_);
  const bool here = run.mmio.phys_addr >= test_device && run.mmio.phys_addr < test_device + 16;
  const std::uint64_t offset = run.mmio.phys_addr - test_device;
  if (run.mmio.is_write != 0) {
    if (here && offset == 4) ++counters_.writes;
    return;
  }
  std::uint64_t value = ~std::uint64_t{0};
  if (here && offset == 0) value = counters_.reads++;
  if (here && offset == 8) value = counters_.writes;
  std::memcpy(run.mmio.data, &value, sizeof run.mmio.data);
}

void Machine::transmit(std::byte byte) {
  constexpr std::size_t kept = 4096;
  outlets_.console(byte);
  const std::lock_guard lock(devices_mutex_);
  console_tail_.push_back(static_cast<char>(byte));
  if (console_tail_.size() > 2 * kept) console_tail_.erase(0, kept);
}

Result<std::string> Machine::console(std::string_view typed) {
  if (!typed.empty()) serial_.receive(std::as_bytes(std::span(typed)));
  const std::lock_guard lock(devices_mutex_);
  return console_tail_;
}

/// Rule: a pause that a person could notice must not be seen by the guest. The KVM clock and
/// every TSC go back by the pause; the PIT is loaded anew, so that the ticks it missed do not come
/// all at once. Why at the resume: a stop then costs nothing, and short ones never pay.
void Machine::hide_pause(std::chrono::nanoseconds held) {
  constexpr std::chrono::milliseconds noticed{20};
  if (held < noticed) return;
  const auto nanoseconds = static_cast<std::uint64_t>(held.count());
  kvm_clock_data clock{};
  if (kernel_.ioctl(vm_, KVM_GET_CLOCK, &clock)) {
    clock.clock -= std::min<std::uint64_t>(clock.clock, nanoseconds);
    clock.flags = 0;
    ignore(kernel_.ioctl(vm_, KVM_SET_CLOCK, &clock));
  }
  for (auto& vcpu : vcpus_) {
    runner_->on_vcpu(vcpu->id(), [&] { turn_back(*vcpu, nanoseconds); });
  }
  kvm_pit_state2 pit{};
  if (options_.irqchip && kernel_.ioctl(vm_, KVM_GET_PIT2, &pit)) {
    ignore(kernel_.ioctl(vm_, KVM_SET_PIT2, &pit));
  }
}

} // namespace kdbg::kvm
