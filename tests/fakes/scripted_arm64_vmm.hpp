#pragma once
/// A Vmm without threads over a ScriptedArm64Kernel: `release` runs every vCPU in turn until it
/// parks. Stores to where no memory is are its device's.
#include "kvm/arch/arm64/arch.hpp"
#include "kvm/engine.hpp"
#include "tests/fakes/scripted_arm64_kernel.hpp"

#include <deque>

namespace kdbg::test {

class ScriptedArm64Vmm final : public kvm::Vmm {
public:
  static constexpr std::uint64_t entry = 0x1000, vectors = 0x4000, data = 0x2000,
                                 device = 0x9000000;

  /// `code` is placed at `entry`, where every vCPU starts with x2 at `data`.
  ScriptedArm64Vmm(const kvm::HostFacts& facts,
                   std::initializer_list<std::uint32_t> code,
                   std::size_t vcpus = 1)
      : ram(0x10000), kernel(ram), arch(kvm::make_arm64(facts)), memory_({{0, ram}}) {
    kernel.put(entry, code);
    for (std::size_t n = 0; n < vcpus; ++n) {
      const kvm::Fd fd = kernel.add_vcpu(entry);
      kernel.set(fd, kvm::arm64::reg::x(2), data);
      kernel.set(fd, kvm::arm64::reg::vbar_el1, vectors);
      fds_.push_back(fd);
      vcpus_.push_back(std::make_unique<kvm::Vcpu>(
          kernel, fd, VcpuId{static_cast<std::uint32_t>(n)}, *kernel.map_run(fd, 0)));
      cpus_.push_back(arch->attach(*vcpus_.back(), memory_, facts));
    }
  }
  Bytes ram;
  ScriptedArm64Kernel kernel;
  std::unique_ptr<const kvm::Arch> arch;
  kvm::Engine* engine = nullptr;
  std::vector<std::uint64_t> served; ///< addresses of the device's accesses
  unsigned parks_after_eintr = 0;    ///< so many KVM_RUNs that ended by EINTR, then a halt

  void drain() {
    for (int i = 0; !posted_.empty() && i < 1000; ++i) {
      auto work = std::move(posted_.front());
      posted_.pop_front();
      work();
    }
  }
  kvm::Fd fd(std::size_t n = 0) const { return fds_[n]; }
  std::uint64_t get(std::uint64_t id, std::size_t n = 0) const { return kernel.get(fds_[n], id); }
  void set(std::uint64_t id, std::uint64_t value, std::size_t n = 0) {
    kernel.set(fds_[n], id, value);
  }

  std::size_t vcpu_count() const override { return vcpus_.size(); }
  kvm::Vcpu& vcpu(VcpuId id) override { return *vcpus_[index(id)]; }
  kvm::Cpu& cpu(VcpuId id) override { return *cpus_[index(id)]; }
  kvm::GuestMemory& memory() override { return memory_; }
  void on_vcpu(VcpuId, const std::function<void()>& work) override { work(); }
  void release(std::span<const VcpuId> ids) override {
    halting_ = false;
    post([this, released = std::vector<VcpuId>(ids.begin(), ids.end())] {
      for (const VcpuId id : released)
        loop(id);
      engine->parked();
    });
  }
  void halt() override { halting_ = true; }
  bool halting() const override { return halting_; }
  void post(std::function<void()> work) override { posted_.push_back(std::move(work)); }
  void hide_pause(std::chrono::nanoseconds) override {}
  Status protect(std::span<const std::uint64_t>) override { return Done{}; }
  Status intercept(const kvm::Intercepts&) override { return Done{}; }
  Status reset() override { return Done{}; }
  Result<std::string> console(std::string_view) override { return std::string(); }

private:
  void loop(VcpuId id) {
    kvm::Verdict verdict = engine->before_run(id);
    while (verdict != kvm::Verdict::park) {
      if (verdict == kvm::Verdict::serve) {
        served.push_back(vcpu(id).run_page().mmio.phys_addr);
        verdict = engine->before_run(id);
        continue;
      }
      const auto result = vcpu(id).run();
      if (!result && parks_after_eintr != 0 && --parks_after_eintr == 0) engine->interrupt({});
      verdict = engine->after_exit(id, result);
      if (verdict == kvm::Verdict::enter) verdict = engine->before_run(id);
    }
  }
  kvm::Ram memory_;
  std::vector<kvm::Fd> fds_;
  std::vector<std::unique_ptr<kvm::Vcpu>> vcpus_;
  std::vector<std::unique_ptr<kvm::Cpu>> cpus_;
  std::deque<std::function<void()>> posted_;
  bool halting_ = false;
};

} // namespace kdbg::test
