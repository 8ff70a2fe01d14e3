#include "kvm/machine/machine.hpp"

#include "kvm/engine.hpp"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>

namespace kdbg::kvm {
namespace {

constexpr unsigned api_version = 12;

} // namespace

Machine::Machine(Kernel& kernel,
                 const Arch& arch,
                 const HostFacts& facts,
                 const MachineOptions& options,
                 Outlets outlets)
    : kernel_(kernel),
      arch_(arch),
      facts_(facts),
      options_(options),
      outlets_(std::move(outlets)),
      regions_(kernel) {}

Machine::~Machine() {
  runner_.reset();
  cpus_.clear();
  vcpus_.clear();
  board_.reset();
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
  std::unique_ptr<Machine> machine(new Machine(kernel, arch, facts, options, std::move(outlets)));
  Machine& self = *machine;
  self.board_ = TRY(make_board(arch.info().elf_machine, {kernel, facts, self.options_, image, files,
                                                         [&self](std::byte b) { self.transmit(b); },
                                                         self.outlets_.debug_console}));
  TRY(self.create_vm());
  TRY(self.create_memory());
  TRY(self.board_->begin(self.kvm_, self.vm_));
  for (std::size_t n = 0; n < options.vcpus; ++n) {
    TRY(self.create_vcpu(n));
  }
  TRY(self.board_->complete());
  TRY(self.start());
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
  const unsigned long type = TRY(board_->vm_type(kvm_));
  vm_ = Fd{TRY(kernel_.ioctl(kvm_, KVM_CREATE_VM, integer(type)))};
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
  for (const Board::Region& region : TRY(board_->memory())) {
    if (region.rom && !facts_.readonly_memory) {
      return Error{Code::unsupported,
                   "this host's KVM has no read-only memory (KVM_CAP_READONLY_MEM) for firmware"};
    }
    ranges.push_back({region.start, TRY(kernel_.allocate(region.size)), region.rom});
  }
  ram_ = std::make_unique<Ram>(std::move(ranges));
  return regions_.set(vm_, ram_->ranges(), {});
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
  TRY(board_->add_vcpu(*vcpus_.back()));
  cpus_.push_back(arch_.attach(*vcpus_.back(), *ram_, facts_));
  return Done{};
}

/// Each on its own thread, as far as all goes well.
template <class F>
Status Machine::on_each_vcpu(F work) {
  for (auto& vcpu : vcpus_) {
    Status done = Done{};
    runner_->on_vcpu(vcpu->id(), [&] { done = work(*vcpu); });
    TRY(std::move(done));
  }
  return Done{};
}

Status Machine::start() {
  runner_ = std::make_unique<Runner>(
      kernel_, [this](VcpuId id) { loop(id); },
      [this] { outlets_.post([this] { engine_->parked(); }); });
  for (auto& vcpu : vcpus_) {
    runner_->add(&vcpu->run_page().immediate_exit);
  }
  TRY(board_->save());
  TRY(on_each_vcpu([this](Vcpu& vcpu) { return board_->save(vcpu); }));
  return load_and_enter();
}

Status Machine::load_and_enter() {
  TRY(board_->load(*ram_));
  return on_each_vcpu([this](Vcpu& vcpu) { return board_->enter(vcpu); });
}

void Machine::loop(VcpuId id) {
  Verdict verdict = engine_->before_run(id);
  for (;;) {
    switch (verdict) {
    case Verdict::park:
      return;
    case Verdict::serve: {
      auto end = board_->serve(vcpu(id));
      verdict = end ? engine_->stop_here(id, *std::move(end)) : engine_->before_run(id);
      break;
    }
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
  TRY(board_->restore());
  TRY(on_each_vcpu([this](Vcpu& vcpu) {
    auto done = board_->restore(vcpu);
    cpus_[index(vcpu.id())] = arch_.attach(vcpu, *ram_, facts_);
    return done;
  }));
  return load_and_enter();
}

void Machine::transmit(std::byte byte) {
  constexpr std::size_t kept = 4096;
  outlets_.console(byte);
  const std::lock_guard lock(console_mutex_);
  console_tail_.push_back(static_cast<char>(byte));
  if (console_tail_.size() > 2 * kept) console_tail_.erase(0, kept);
}

Result<std::string> Machine::console(std::string_view typed) {
  if (!typed.empty()) board_->receive(std::as_bytes(std::span(typed)));
  const std::lock_guard lock(console_mutex_);
  return console_tail_;
}

/// Rule: a pause that a person could notice must not be seen by the guest; all its clocks go back
/// by it. Why at the resume: a stop then costs nothing, and short ones never pay.
void Machine::hide_pause(std::chrono::nanoseconds held) {
  constexpr std::chrono::milliseconds noticed{20};
  if (held < noticed) return;
  for (auto& vcpu : vcpus_) {
    runner_->on_vcpu(vcpu->id(), [&] { board_->turn_back(*vcpu, held); });
  }
  board_->turn_back(held);
}

} // namespace kdbg::kvm
