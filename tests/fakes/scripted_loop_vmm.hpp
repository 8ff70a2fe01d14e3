#pragma once
/// A Vmm without threads over any Kernel and Arch: `release` runs every vCPU in turn until it
/// parks. 64 KiB of memory from physical 0.
#include "kvm/engine.hpp"

#include <deque>

namespace kdbg::test {

class LoopVmm final : public kvm::Vmm {
public:
  LoopVmm(kvm::Kernel& kernel,
          const kvm::Arch& arch,
          const kvm::HostFacts& facts,
          std::span<std::byte> ram,
          std::span<const kvm::Fd> fds);

  kvm::Engine* engine = nullptr;
  unsigned served = 0; ///< exits that the "devices" saw
  /// Runs posted work until there is none.
  void drain();

  std::size_t vcpu_count() const override { return vcpus_.size(); }
  kvm::Vcpu& vcpu(VcpuId id) override { return *vcpus_[index(id)]; }
  kvm::Cpu& cpu(VcpuId id) override { return *cpus_[index(id)]; }
  kvm::GuestMemory& memory() override { return memory_; }
  void on_vcpu(VcpuId, const std::function<void()>& work) override { work(); }
  void release(std::span<const VcpuId> ids) override;
  void halt() override;
  bool halting() const override { return halting_; }
  void post(std::function<void()> work) override { posted_.push_back(std::move(work)); }
  void hide_pause(std::chrono::nanoseconds) override {}
  Status protect(std::span<const std::uint64_t>) override { return Done{}; }
  Status intercept(const kvm::Intercepts&) override { return Done{}; }
  Status reset() override { return Done{}; }
  Result<std::string> console(std::string_view) override { return std::string(); }

private:
  void loop(VcpuId id);
  kvm::Ram memory_;
  std::vector<std::unique_ptr<kvm::Vcpu>> vcpus_;
  std::vector<std::unique_ptr<kvm::Cpu>> cpus_;
  std::deque<std::function<void()>> posted_;
  bool halting_ = false;
};

} // namespace kdbg::test
