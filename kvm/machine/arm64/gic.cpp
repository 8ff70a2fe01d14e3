#include "kvm/machine/arm64/gic.hpp"

#include <fmt/format.h>
#include <linux/kvm.h>

namespace kdbg::kvm {
namespace {

// KVM_DEV_ARM_VGIC_GRP_* and their attributes (arch/arm64/include/uapi/asm/kvm.h)
enum Group : std::uint32_t {
  addresses = 0,
  distributor_registers = 1,
  cpu_registers = 2,
  interrupt_count = 3,
  control = 4,
  redistributor_registers = 5,
  system_registers = 6,
};
enum Address : std::uint64_t {
  v2_distributor = 0,
  v2_cpu_interface = 1,
  v3_distributor = 2,
  v3_redistributors = 3,
};
constexpr std::uint64_t initialise = 0;

// Registers of the distributor, and of a redistributor's second frame: one bit per interrupt (Arm
// IHI 0069, 12.9 and 12.11).
constexpr std::uint32_t ctlr = 0x0, clear_enable = 0x180, set_pending = 0x200,
                        clear_pending = 0x280, clear_active = 0x380, priority = 0x400,
                        configuration = 0xc00, private_frame = 0x10000;
constexpr std::uint32_t v2_priority_mask = 0x4, v2_control = 0x0;

/// How 32 interrupts are made not pending: userspace's writes of a GICv3's ISPENDR are the new
/// state, and those of its ICPENDR are ignored; a GICv2's set and clear as the guest's do.
struct Pending {
  std::uint32_t at, none;
};
constexpr Pending nothing_pending(unsigned version) {
  return version == 3 ? Pending{set_pending, 0} : Pending{clear_pending, ~0u};
}

/// ICC_*_EL1 as op0, op1, CRn, CRm, op2 of an MRS.
constexpr std::uint64_t icc(unsigned crn, unsigned crm, unsigned op2) {
  return std::uint64_t{3} << 14 | crn << 7 | crm << 3 | op2;
}
constexpr std::uint64_t cpu_interface_registers[] = {
    icc(4, 6, 0),   // PMR
    icc(12, 8, 3),  // BPR0
    icc(12, 12, 3), // BPR1
    icc(12, 8, 4),  // AP0R0
    icc(12, 9, 0),  // AP1R0
    icc(12, 12, 6), // IGRPEN0
    icc(12, 12, 7), // IGRPEN1
};

} // namespace

Gic::~Gic() {
  if (device_ != Fd::none) kernel_.close(device_);
}

Status Gic::set(std::uint32_t group, std::uint64_t attribute, std::uint64_t value) {
  kvm_device_attr request{0, group, attribute, reinterpret_cast<std::uint64_t>(&value)};
  TRY(kernel_.ioctl(device_, KVM_SET_DEVICE_ATTR, &request));
  return Done{};
}

Status Gic::set_register(std::uint32_t group, std::uint64_t attribute, std::uint32_t value) {
  kvm_device_attr request{0, group, attribute, reinterpret_cast<std::uint64_t>(&value)};
  TRY(kernel_.ioctl(device_, KVM_SET_DEVICE_ATTR, &request));
  return Done{};
}

Status Gic::create(Fd vm, std::size_t vcpus) {
  kvm_create_device request{KVM_DEV_TYPE_ARM_VGIC_V3, 0, 0};
  version_ = 3;
  if (!kernel_.ioctl(vm, KVM_CREATE_DEVICE, &request)) {
    request = {KVM_DEV_TYPE_ARM_VGIC_V2, 0, 0};
    version_ = 2;
    TRY(kernel_.ioctl(vm, KVM_CREATE_DEVICE, &request));
  }
  device_ = static_cast<Fd>(request.fd);
  if (version_ == 3 || vcpus <= most_v2) return Done{};
  return Error{Code::bad_request,
               fmt::format("{} vCPUs: this host's KVM has a GICv2 alone, which serves at most {}",
                           vcpus, most_v2)};
}

Status Gic::complete(std::size_t vcpus) {
  if (version_ == 3 && redistributors + vcpus * redistributor_size > distributor + 0x1000000) {
    return Error{Code::bad_request,
                 "too many vCPUs: their redistributors end at the serial port, 0x9000000"};
  }
  if (version_ == 3) {
    TRY(set(addresses, v3_distributor, distributor));
    TRY(set(addresses, v3_redistributors, redistributors));
  } else {
    TRY(set(addresses, v2_distributor, distributor));
    TRY(set(addresses, v2_cpu_interface, cpu_interface));
  }
  TRY(set_register(interrupt_count, 0, interrupts));
  kvm_device_attr request{0, control, initialise, 0};
  TRY(kernel_.ioctl(device_, KVM_SET_DEVICE_ATTR, &request));
  return Done{};
}

/// KVM has no reset of its own for it. What was enabled, raised or taken goes back to what it is
/// after a reset; groups and routes stay, which whoever enables an interrupt sets first.
Status Gic::reset(std::span<const std::uint64_t> affinities) {
  if (device_ == Fd::none) return Done{};
  TRY(reset_shared(affinities.front()));
  for (const std::uint64_t affinity : affinities) {
    TRY(reset_private(affinity));
  }
  return Done{};
}

Status Gic::reset_shared(std::uint64_t affinity) {
  const std::uint64_t cpu = version_ == 3 ? affinity << 32 : 0;
  const Pending pending = nothing_pending(version_);
  const auto write = [&](std::uint32_t at, std::uint32_t value) {
    return set_register(distributor_registers, cpu | at, value);
  };
  TRY(write(ctlr, 0));
  for (std::uint32_t n = 1; n < interrupts / 32; ++n) { // the first 32 are each CPU's own
    TRY(write(clear_enable + 4 * n, ~0u));
    TRY(write(pending.at + 4 * n, pending.none));
    TRY(write(clear_active + 4 * n, ~0u));
  }
  for (std::uint32_t n = 8; n < interrupts / 4; ++n) {
    TRY(write(priority + 4 * n, 0));
  }
  for (std::uint32_t n = 2; n < interrupts / 16; ++n) {
    TRY(write(configuration + 4 * n, 0));
  }
  return Done{};
}

Status Gic::reset_private(std::uint64_t affinity) {
  const bool v3 = version_ == 3;
  const Pending pending = nothing_pending(version_);
  const std::uint32_t group = v3 ? redistributor_registers : distributor_registers;
  const std::uint64_t cpu = affinity << 32 | (v3 ? private_frame : 0);
  const auto write = [&](std::uint32_t at, std::uint32_t value) {
    return set_register(group, cpu | at, value);
  };
  TRY(write(clear_enable, ~0u));
  TRY(write(pending.at, pending.none));
  TRY(write(clear_active, ~0u));
  for (std::uint32_t n = 0; n < 8; ++n) {
    TRY(write(priority + 4 * n, 0));
  }
  if (!v3) {
    TRY(set_register(cpu_registers, cpu | v2_control, 0));
    return set_register(cpu_registers, cpu | v2_priority_mask, 0);
  }
  for (const std::uint64_t reg : cpu_interface_registers) {
    TRY(set(system_registers, affinity << 32 | reg, 0));
  }
  return Done{};
}

} // namespace kdbg::kvm
