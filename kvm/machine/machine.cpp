#include "kvm/machine/machine.hpp"

#include "kvm/engine.hpp"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>

namespace kdbg::kvm {
namespace {

constexpr unsigned api_version = 12;
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

Machine::Machine(Kernel& kernel,
                 const Arch& arch,
                 const HostFacts& facts,
                 const MachineOptions& options,
                 const Image& image,
                 const BootFiles& files,
                 Outlets outlets)
    : kernel_(kernel),
      arch_(arch),
      facts_(facts),
      options_(options),
      image_(image),
      files_(files),
      outlets_(std::move(outlets)),
      regions_(kernel),
      serial_([this](std::byte b) { transmit(b); },
              [this](bool level) {
                if (!options_.irqchip) return;
                kvm_irq_level line{{Serial::irq}, level ? 1u : 0u};
                // nothing can be done about a lost edge on a vCPU thread; the guest polls again
                ignore(kernel_.ioctl(vm_, KVM_IRQ_LINE, &line));
              }),
      cmos_(options.vcpus, std::min(options.memory, mmio_hole), options.memory) {}

Machine::~Machine() {
  runner_.reset();
  cpus_.clear();
  vcpus_.clear();
  if (vm_ != Fd::none) kernel_.close(vm_);
  if (kvm_ != Fd::none) kernel_.close(kvm_);
}

Result<std::unique_ptr<Machine>> Machine::create(Kernel& kernel,
                                                 const Arch& arch,
                                                 const HostFacts& facts,
                                                 const MachineOptions& options,
                                                 const Image& image,
                                                 const BootFiles& files,
                                                 Outlets outlets) {
  std::unique_ptr<Machine> machine(
      new Machine(kernel, arch, facts, options, image, files, std::move(outlets)));
  TRY(machine->create_vm());
  TRY(machine->create_memory());
  TRY(machine->create_interrupts());
  for (std::size_t n = 0; n < options.vcpus; ++n) {
    TRY(machine->create_vcpu(n));
  }
  TRY(machine->start());
  return machine;
}

Status Machine::create_vm() {
  kvm_ = TRY(kernel_.open_kvm());
  const int version = TRY(kernel_.ioctl(kvm_, KVM_GET_API_VERSION, nullptr));
  if (version != api_version) {
    return Error{Code::unsupported,
                 fmt::format("KVM API version {} is not {}", version, api_version)};
  }
  const int most = TRY(kernel_.ioctl(kvm_, KVM_CHECK_EXTENSION, integer(KVM_CAP_MAX_VCPUS)));
  if (options_.vcpus == 0 || options_.vcpus > static_cast<std::size_t>(std::max(most, 1))) {
    return Error{Code::bad_request,
                 fmt::format("{} vCPUs: this host's KVM takes 1 to {}", options_.vcpus, most)};
  }
  vm_ = Fd{TRY(kernel_.ioctl(kvm_, KVM_CREATE_VM, nullptr))};
  if (facts_.exception_payload) {
    kvm_enable_cap cap{};
    cap.cap = KVM_CAP_EXCEPTION_PAYLOAD;
    cap.args[0] = 1;
    TRY(kernel_.ioctl(vm_, KVM_ENABLE_CAP, &cap));
  }
  return Done{};
}

Status Machine::create_memory() {
  constexpr std::uint64_t least = 1u << 20;
  if (options_.memory < least || options_.memory % 4096 != 0) {
    return Error{Code::bad_request,
                 fmt::format("{} bytes of memory: it must be whole 4 KiB pages, at least 1 MiB",
                             options_.memory)};
  }
  std::vector<Ram::Range> ranges;
  const std::uint64_t low = std::min(options_.memory, mmio_hole);
  ranges.push_back({0, TRY(kernel_.allocate(low))});
  if (image_.rom != 0) {
    if (!facts_.readonly_memory) {
      return Error{Code::unsupported,
                   "this host's KVM has no read-only memory (KVM_CAP_READONLY_MEM) for firmware"};
    }
    ranges.push_back({mmio_hole_end - image_.rom, TRY(kernel_.allocate(image_.rom)), true});
  }
  if (options_.memory > low) {
    ranges.push_back({mmio_hole_end, TRY(kernel_.allocate(options_.memory - low))});
  }
  ram_ = std::make_unique<Ram>(std::move(ranges));
  return regions_.set(vm_, ram_->ranges(), {});
}

Status Machine::create_interrupts() {
  std::uint64_t map = identity_map;
  TRY(kernel_.ioctl(vm_, KVM_SET_IDENTITY_MAP_ADDR, &map));
  TRY(kernel_.ioctl(vm_, KVM_SET_TSS_ADDR, integer(tss)));
  if (!options_.irqchip) return Done{};
  TRY(kernel_.ioctl(vm_, KVM_CREATE_IRQCHIP, nullptr));
  kvm_pit_config pit{};
  pit.flags = KVM_PIT_SPEAKER_DUMMY;
  TRY(kernel_.ioctl(vm_, KVM_CREATE_PIT2, &pit));
  return Done{};
}

Status Machine::create_vcpu(std::size_t n) {
  const int size = TRY(kernel_.ioctl(kvm_, KVM_GET_VCPU_MMAP_SIZE, nullptr));
  const Fd fd{TRY(kernel_.ioctl(vm_, KVM_CREATE_VCPU, integer(n)))};
  auto page = kernel_.map_run(fd, static_cast<std::size_t>(size));
  if (!page) {
    kernel_.close(fd);
    return page.error();
  }
  vcpus_.push_back(
      std::make_unique<Vcpu>(kernel_, fd, VcpuId{static_cast<std::uint32_t>(n)}, *page));
  Vcpu& vcpu = *vcpus_.back();
  auto cpuid = std::make_unique<x86::Cpuid>();
  TRY(kernel_.ioctl(kvm_, x86::get_supported_cpuid, cpuid.get()));
  set_topology(*cpuid, n, options_.vcpus);
  TRY(vcpu.ioctl(x86::set_cpuid, cpuid.get()));
  if (facts_.sync_registers) vcpu.run_page().kvm_valid_regs = x86::sync_regs | x86::sync_sregs;
  cpus_.push_back(arch_.attach(vcpu, *ram_, facts_));
  return Done{};
}

Status Machine::start() {
  runner_ = std::make_unique<Runner>(
      kernel_, [this](VcpuId id) { loop(id); },
      [this] { outlets_.post([this] { engine_->parked(); }); });
  for (auto& vcpu : vcpus_) {
    runner_->add(&vcpu->run_page().immediate_exit);
  }
  TRY(save_chips(kernel_, vm_, options_.irqchip, pristine_));
  pristine_.serial = serial_.save();
  pristine_.cmos = cmos_.save();
  for (auto& vcpu : vcpus_) {
    Status saved = Done{};
    runner_->on_vcpu(vcpu->id(), [&] {
      auto state = save(*vcpu, options_.irqchip);
      if (state) {
        pristine_.vcpus.push_back(*std::move(state));
      } else {
        saved = state.error();
      }
    });
    TRY(std::move(saved));
  }
  return load_and_enter();
}

/// The image in memory and the vCPUs at its entry. With an irqchip only the first vCPU starts
/// there; the others wait for INIT and SIPI. Without one nothing could send those: all start.
Status Machine::load_and_enter() {
  TRY(load(image_, files_, vcpus_.size(), *ram_));
  for (auto& vcpu : vcpus_) {
    const std::size_t n = index(vcpu->id());
    if (options_.irqchip && n != 0) continue;
    Status set = Done{};
    runner_->on_vcpu(vcpu->id(), [&] {
      set = [&]() -> Status {
        auto regs = TRY(vcpu->get<x86::Regs>(x86::get_regs));
        auto sregs = TRY(vcpu->get<x86::Sregs>(x86::get_sregs));
        set_entry_state(image_, n, regs, sregs);
        TRY(vcpu->set(x86::set_sregs, sregs));
        return vcpu->set(x86::set_regs, regs);
      }();
    });
    TRY(std::move(set));
  }
  return Done{};
}

void Machine::loop(VcpuId id) {
  Verdict verdict = engine_->before_run(id);
  for (;;) {
    switch (verdict) {
    case Verdict::park:
      return;
    case Verdict::serve:
      verdict = serve(id);
      break;
    case Verdict::enter: {
      const auto result = vcpu(id).run();
      verdict = engine_->after_exit(id, result);
      if (verdict == Verdict::enter) verdict = engine_->before_run(id);
      break;
    }
    }
  }
}

void Machine::quiesce() {
  runner_->halt();
  runner_->wait_parked();
}

Status Machine::reset() {
  for (const auto& range : ram_->ranges()) {
    std::memset(range.bytes.data(), 0, range.bytes.size());
  }
  TRY(restore_chips(kernel_, vm_, pristine_));
  serial_.restore(pristine_.serial);
  {
    const std::lock_guard lock(devices_mutex_);
    counters_ = {};
    cmos_.restore(pristine_.cmos);
  }
  for (auto& vcpu : vcpus_) {
    const std::size_t n = index(vcpu->id());
    Status done = Done{};
    runner_->on_vcpu(vcpu->id(), [&] {
      done = restore(*vcpu, pristine_.vcpus[n], options_.irqchip);
      cpus_[n] = arch_.attach(*vcpu, *ram_, facts_);
    });
    TRY(std::move(done));
  }
  return load_and_enter();
}

} // namespace kdbg::kvm
