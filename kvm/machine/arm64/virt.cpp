#include "kvm/machine/arm64/virt.hpp"

#include <cstring>
#include <fmt/format.h>
#include <linux/kvm.h>

namespace kdbg::kvm {
namespace {

using namespace arm64;

constexpr std::uint32_t feature_power_off = 0, feature_psci = 2; // bits of VcpuInit::features[0]
// KVM names the virtual counter by the encoding of CNTV_CVAL_EL0 (api.rst, 4.68, "ABI warning")
constexpr std::uint64_t virtual_count = reg::sysreg(3, 3, 14, 3, 2);
constexpr std::uint32_t shared_interrupt = 1u << 24, first_shared = 32; // for KVM_IRQ_LINE
constexpr std::uint64_t el1h_masked = 0x3c5; // PSTATE: EL1, SP_EL1, DAIF set

/// Where KVM puts vCPU n (arch/arm64/kvm/sys_regs.c, reset_mpidr).
constexpr std::uint64_t affinity(std::uint64_t n) {
  return (n & 0xf) | (n >> 4 & 0xff) << 8 | (n >> 12 & 0xff) << 16;
}

Status set(Vcpu& vcpu, std::uint64_t id, std::uint64_t value) {
  OneReg request{id, reinterpret_cast<std::uint64_t>(&value)};
  TRY(vcpu.ioctl(set_one_reg, &request));
  return Done{};
}

/// Ticks per second of the virtual counter; 0 where this program does not run on that CPU.
std::uint64_t counter_frequency() {
  std::uint64_t out = 0;
#ifdef __aarch64__
  asm("mrs %0, cntfrq_el0" : "=r"(out));
#endif
  return out;
}

} // namespace

Virt::Virt(BoardParts parts)
    : parts_(std::move(parts)),
      gic_(parts_.kernel),
      uart_(parts_.console, [this](bool level) { raise(level); }) {
  for (std::size_t n = 0; n < parts_.options.vcpus; ++n) {
    affinities_.push_back(affinity(n));
  }
}

Result<std::vector<Board::Region>> Virt::memory() const {
  return std::vector<Region>{{ram, parts_.options.memory}};
}

/// The argument is the width of a guest-physical address; 0 means 40 bits, which not every CPU has.
Result<unsigned long> Virt::vm_type(Fd kvm) {
  constexpr unsigned usual = 40;
  auto most = parts_.kernel.ioctl(kvm, KVM_CHECK_EXTENSION, integer(cap_ipa_size));
  const bool narrow = most && *most > 0 && static_cast<unsigned>(*most) < usual;
  return narrow ? static_cast<unsigned long>(*most) : 0ul;
}

Status Virt::begin(Fd, Fd vm) {
  vm_ = vm;
  return parts_.options.irqchip ? gic_.create(vm, parts_.options.vcpus) : Status{Done{}};
}

Status Virt::add_vcpu(Vcpu& vcpu) {
  TRY(initialise(vcpu));
  if (!parts_.facts.sve) return Done{};
  int feature = feature_sve;
  TRY(vcpu.ioctl(vcpu_finalize, &feature));
  return Done{};
}

/// Also what makes it new again.
Status Virt::initialise(Vcpu& vcpu) {
  VcpuInit init{};
  TRY(parts_.kernel.ioctl(vm_, preferred_target, &init));
  init.features[0] |= 1u << feature_psci;
  if (parts_.facts.sve) init.features[0] |= 1u << feature_sve;
  const bool waits = parts_.options.irqchip && index(vcpu.id()) != 0;
  if (waits) init.features[0] |= 1u << feature_power_off;
  TRY(vcpu.ioctl(vcpu_init, &init));
  return Done{};
}

Status Virt::complete() {
  return parts_.options.irqchip ? gic_.complete(parts_.options.vcpus) : Status{Done{}};
}

Status Virt::save() {
  pristine_ = uart_.save();
  return Done{};
}

Status Virt::restore() {
  TRY(gic_.reset(affinities_));
  uart_.restore(pristine_);
  const std::lock_guard lock(mutex_);
  counters_ = {};
  return Done{};
}

/// With a GIC only the first vCPU starts at the entry; the others wait for PSCI's CPU_ON. Without
/// one all start. Registers as Linux wants them (Documentation/arch/arm64/booting.rst); a bare
/// image finds its vCPU's number in x0 and the device tree in x1.
Status Virt::enter(Vcpu& vcpu) {
  const std::size_t n = index(vcpu.id());
  if (parts_.options.irqchip && n != 0) return Done{};
  const bool bare = parts_.image.entry_kind == Image::Entry::arm64;
  TRY(set(vcpu, reg::x(0), bare ? n : tree_));
  if (bare) TRY(set(vcpu, reg::x(1), tree_));
  TRY(set(vcpu, reg::pstate, el1h_masked));
  return set(vcpu, reg::pc, parts_.image.entry);
}

std::optional<StopReason> Virt::serve(Vcpu& vcpu) {
  kvm_run& run = vcpu.run_page();
  switch (run.exit_reason) {
  case KVM_EXIT_MMIO:
    return memory_access(run);
  case KVM_EXIT_SYSTEM_EVENT:
    if (run.system_event.type == KVM_SYSTEM_EVENT_SHUTDOWN) return PoweredOff{0};
    if (run.system_event.type == KVM_SYSTEM_EVENT_RESET) {
      return Crashed{"the guest asked for a reset (PSCI)"};
    }
    return Crashed{fmt::format("the guest raised system event {}", run.system_event.type)};
  default:
    return Crashed{
        fmt::format("KVM exit reason {} is not served by this machine", run.exit_reason)};
  }
}

/// The test device: reads at 0 count themselves, writes at 4 are counted, the count is read at 8; a
/// write of V at 12 leaves with status 2V+1.
std::uint64_t Virt::read_test_device(std::uint64_t offset) {
  const std::lock_guard lock(mutex_);
  if (offset == 0) return counters_.reads++;
  return offset == 8 ? counters_.writes : ~std::uint64_t{0};
}

std::optional<StopReason> Virt::write_test_device(std::uint64_t offset, std::uint64_t value) {
  const std::lock_guard lock(mutex_);
  if (offset == 4) ++counters_.writes;
  if (offset == 12) return PoweredOff{static_cast<int>(value & 0x7f) << 1 | 1};
  return {};
}

/// Where nothing is, all bits read as set and writes are lost.
std::optional<StopReason> Virt::memory_access(kvm_run& run) {
  const std::uint64_t at = run.mmio.phys_addr;
  const bool to_uart = at >= uart && at < uart + Pl011::size;
  const bool to_test_device = at >= test_device && at < test_device + test_device_size;
  if (run.mmio.is_write != 0) {
    std::uint64_t value = 0;
    std::memcpy(&value, run.mmio.data, std::min<std::size_t>(run.mmio.len, sizeof value));
    if (to_uart) uart_.write(at - uart, static_cast<std::uint32_t>(value));
    if (to_test_device) return write_test_device(at - test_device, value);
    return {};
  }
  std::uint64_t value = ~std::uint64_t{0};
  if (to_uart) value = uart_.read(at - uart);
  if (to_test_device) value = read_test_device(at - test_device);
  std::memcpy(run.mmio.data, &value, sizeof run.mmio.data);
  return {};
}

void Virt::raise(bool level) {
  if (!parts_.options.irqchip) return;
  kvm_irq_level line{{shared_interrupt | (first_shared + uart_interrupt)}, level ? 1u : 0u};
  // nothing can be done about a lost edge on a vCPU thread; the guest polls again
  ignore(parts_.kernel.ioctl(vm_, KVM_IRQ_LINE, &line));
}

/// KVM has one offset of the virtual counter for all vCPUs: the first one's is theirs.
void Virt::turn_back(Vcpu& vcpu, std::chrono::nanoseconds pause) {
  const std::uint64_t frequency = counter_frequency();
  if (frequency == 0 || index(vcpu.id()) != 0) return;
  std::uint64_t count = 0;
  OneReg request{virtual_count, reinterpret_cast<std::uint64_t>(&count)};
  if (!vcpu.ioctl(get_one_reg, &request)) return;
  const auto ticks = static_cast<std::uint64_t>(static_cast<unsigned __int128>(pause.count()) *
                                                frequency / std::nano::den);
  count -= std::min(count, ticks);
  ignore(vcpu.ioctl(set_one_reg, &request));
}

} // namespace kdbg::kvm
