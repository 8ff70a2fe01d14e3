#include "kvm/machine/x86_64/pc.hpp"

#include "kvm/machine/x86_64/boot.hpp"

#include <algorithm>

namespace kdbg::kvm {
namespace {

// Intel hosts keep a TSS and a page table of their own in guest memory; here, below 4 GiB
// and below the largest firmware.
constexpr std::uint64_t identity_map = 0xfeffc000, tss = 0xfeffd000;

/// The host's CPU, with this vCPU's place in it.
void set_topology(x86::Cpuid& cpuid, std::size_t n, std::size_t vcpus) {
  const auto id = static_cast<std::uint32_t>(n);
  for (std::uint32_t i = 0; i < cpuid.count; ++i) {
    x86::CpuidEntry& entry = cpuid.entries[i];
    if (entry.function == 1) {
      entry.ebx = (entry.ebx & 0xff00ffff) | static_cast<std::uint32_t>(vcpus) << 16;
      entry.ebx = (entry.ebx & 0x00ffffff) | id << 24;
      entry.ecx |= 1u << 31; // runs under a hypervisor
    }
    if (entry.function == 0xb || entry.function == 0x1f) entry.edx = id; // x2APIC id
    if (entry.function == 0x8000001e) entry.eax = id;                    // AMD extended APIC id
  }
}

} // namespace

Pc::Pc(BoardParts parts)
    : parts_(std::move(parts)),
      serial_(parts_.console, [this](bool level) { raise(level); }),
      cmos_(
          parts_.options.vcpus, std::min(parts_.options.memory, mmio_hole), parts_.options.memory) {
}

Result<std::vector<Board::Region>> Pc::memory() const {
  const std::uint64_t all = parts_.options.memory, low = std::min(all, mmio_hole),
                      rom = parts_.image.rom;
  std::vector<Region> out{{0, low}};
  if (rom != 0) out.push_back({mmio_hole_end - rom, rom, true});
  if (all > low) out.push_back({mmio_hole_end, all - low});
  return out;
}

Status Pc::begin(Fd kvm, Fd vm) {
  Kernel& kernel = parts_.kernel;
  kvm_ = kvm;
  vm_ = vm;
  if (parts_.facts.exception_payload) {
    kvm_enable_cap cap{};
    cap.cap = KVM_CAP_EXCEPTION_PAYLOAD;
    cap.args[0] = 1;
    TRY(kernel.ioctl(vm_, KVM_ENABLE_CAP, &cap));
  }
  std::uint64_t map = identity_map;
  TRY(kernel.ioctl(vm_, KVM_SET_IDENTITY_MAP_ADDR, &map));
  TRY(kernel.ioctl(vm_, KVM_SET_TSS_ADDR, integer(tss)));
  if (!parts_.options.irqchip) return Done{};
  TRY(kernel.ioctl(vm_, KVM_CREATE_IRQCHIP, nullptr));
  kvm_pit_config pit{};
  pit.flags = KVM_PIT_SPEAKER_DUMMY;
  TRY(kernel.ioctl(vm_, KVM_CREATE_PIT2, &pit));
  return Done{};
}

Status Pc::add_vcpu(Vcpu& vcpu) {
  auto cpuid = std::make_unique<x86::Cpuid>();
  TRY(parts_.kernel.ioctl(kvm_, x86::get_supported_cpuid, cpuid.get()));
  set_topology(*cpuid, index(vcpu.id()), parts_.options.vcpus);
  TRY(vcpu.ioctl(x86::set_cpuid, cpuid.get()));
  if (parts_.facts.sync_registers) {
    vcpu.run_page().kvm_valid_regs = x86::sync_regs | x86::sync_sregs;
  }
  return Done{};
}

Status Pc::save() {
  TRY(save_chips(parts_.kernel, vm_, parts_.options.irqchip, pristine_));
  pristine_.serial = serial_.save();
  pristine_.cmos = cmos_.save();
  return Done{};
}

Status Pc::save(Vcpu& vcpu) {
  pristine_.vcpus.push_back(TRY(kvm::save(vcpu, parts_.options.irqchip)));
  return Done{};
}

Status Pc::restore() {
  TRY(restore_chips(parts_.kernel, vm_, pristine_));
  serial_.restore(pristine_.serial);
  const std::lock_guard lock(mutex_);
  counters_ = {};
  cmos_.restore(pristine_.cmos);
  return Done{};
}

Status Pc::restore(Vcpu& vcpu) {
  return kvm::restore(vcpu, pristine_.vcpus[index(vcpu.id())], parts_.options.irqchip);
}

Status Pc::load(Ram& ram) {
  return kvm::load(parts_.image, parts_.files, parts_.options.vcpus, ram);
}

/// With an irqchip only the first vCPU starts at the entry; the others wait for INIT and SIPI.
/// Without one nothing could send those: all start.
Status Pc::enter(Vcpu& vcpu) {
  const std::size_t n = index(vcpu.id());
  if (parts_.options.irqchip && n != 0) return Done{};
  auto regs = TRY(vcpu.get<x86::Regs>(x86::get_regs));
  auto sregs = TRY(vcpu.get<x86::Sregs>(x86::get_sregs));
  set_entry_state(parts_.image, n, regs, sregs);
  TRY(vcpu.set(x86::set_sregs, sregs));
  return vcpu.set(x86::set_regs, regs);
}

void Pc::raise(bool level) {
  if (!parts_.options.irqchip) return;
  kvm_irq_level line{{Serial::irq}, level ? 1u : 0u};
  // nothing can be done about a lost edge on a vCPU thread; the guest polls again
  ignore(parts_.kernel.ioctl(vm_, KVM_IRQ_LINE, &line));
}

} // namespace kdbg::kvm
