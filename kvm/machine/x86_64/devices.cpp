// What the guest finds at I/O ports and at addresses without memory, and its sense of time.
#include "kvm/arch/x86_64/abi.hpp"
#include "kvm/machine/x86_64/acpi.hpp"
#include "kvm/machine/x86_64/pc.hpp"

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

std::optional<StopReason> Pc::serve(Vcpu& vcpu) {
  kvm_run& run = vcpu.run_page();
  switch (run.exit_reason) {
  case KVM_EXIT_IO:
    return port_access(run);
  case KVM_EXIT_MMIO:
    memory_access(run);
    return {};
  case KVM_EXIT_SYSTEM_EVENT:
    return Crashed{"the guest raised system event " + std::to_string(run.system_event.type)};
  default:
    return Crashed{"KVM exit reason " + std::to_string(run.exit_reason) +
                   " is not served by this machine"};
  }
}

std::optional<StopReason> Pc::port_access(kvm_run& run) {
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
Pc::port_write(std::uint16_t port, std::uint8_t value, std::uint8_t size) {
  if (port >= Serial::base && port < Serial::base + Serial::ports) {
    serial_.write(port - Serial::base, value);
    return {};
  }
  const std::lock_guard lock(mutex_);
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
    if (parts_.debug_console) parts_.debug_console(std::byte{value});
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

std::uint8_t Pc::port_read(std::uint16_t port) {
  if (port >= Serial::base && port < Serial::base + Serial::ports) {
    return serial_.read(port - Serial::base);
  }
  const std::lock_guard lock(mutex_);
  switch (port) {
  case test_in:
    return 0x5a;
  case test_count:
    return static_cast<std::uint8_t>(counters_.port_writes);
  case Cmos::data_port:
    return cmos_.read();
  case debug_port:
    return parts_.debug_console ? debug_port_is_here : 0xff;
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

void Pc::memory_access(kvm_run& run) {
  const std::lock_guard lock(mutex_);
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

void Pc::turn_back(Vcpu& vcpu, std::chrono::nanoseconds pause) {
  kvm::turn_back(vcpu, static_cast<std::uint64_t>(pause.count()));
}

/// The KVM clock; and the PIT is loaded anew, so that the ticks it missed do not come all at once.
void Pc::turn_back(std::chrono::nanoseconds pause) {
  kvm_clock_data clock{};
  if (parts_.kernel.ioctl(vm_, KVM_GET_CLOCK, &clock)) {
    clock.clock -= std::min<std::uint64_t>(clock.clock, static_cast<std::uint64_t>(pause.count()));
    clock.flags = 0;
    ignore(parts_.kernel.ioctl(vm_, KVM_SET_CLOCK, &clock));
  }
  Bytes pit(x86::pit_size);
  if (parts_.options.irqchip && parts_.kernel.ioctl(vm_, x86::get_pit2, pit.data())) {
    ignore(parts_.kernel.ioctl(vm_, x86::set_pit2, pit.data()));
  }
}

} // namespace kdbg::kvm
