#pragma once
/// A Vmm without threads over a ScriptedKernel: `release` runs every vCPU in turn until it parks.
#include "kvm/arch/x86_64/arch.hpp"
#include "kvm/engine.hpp"
#include "tests/fakes/scripted_kernel.hpp"

#include <deque>

namespace kdbg::test {

class ScriptedVmm final : public kvm::Vmm {
public:
  /// `code` is placed at 0x1000, where every vCPU starts.
  ScriptedVmm(const kvm::HostFacts& facts,
              std::initializer_list<unsigned> code,
              std::size_t vcpus = 1);

  static constexpr std::uint64_t entry = 0x1000, data = 0x2000;
  ScriptedKernel kernel;
  Bytes ram;
  kvm::Engine* engine = nullptr;
  unsigned served = 0;                        ///< exits that the "devices" saw
  std::function<void()> serving;              ///< what the strand does while one is served
  std::function<void()> before_parked;        ///< and between the last vCPU's parking and `parked`
  std::vector<std::uint64_t> protected_pages; ///< as the engine asked last
  kvm::Intercepts intercepted;                ///< the same
  bool refuses_intercept = false;             ///< half of it is done: none of the old ones is left
  int refuses_protect_in = -1; ///< the nth from now (0-based) fails, changing nothing
  /// The nth look at halting() from now is the first that says yes, the kick having just come.
  mutable unsigned halts_at_look = 0;

  /// Runs posted work until there is none.
  void drain() { drain_some(1000); }
  void drain_some(int most);
  std::uint64_t rip(std::size_t n = 0) { return kernel.regs(fds_[n]).rip; }
  kvm::Fd fd(std::size_t n = 0) const { return fds_[n]; }

  std::size_t vcpu_count() const override { return vcpus_.size(); }
  kvm::Vcpu& vcpu(VcpuId id) override { return *vcpus_[index(id)]; }
  kvm::Cpu& cpu(VcpuId id) override { return *cpus_[index(id)]; }
  kvm::GuestMemory& memory() override { return memory_; }
  void on_vcpu(VcpuId, const std::function<void()>& work) override { work(); }
  void release(std::span<const VcpuId> ids) override;
  void halt() override { halting_ = true; }
  bool halting() const override;
  void post(std::function<void()> work) override { posted_.push_back(std::move(work)); }
  void hide_pause(std::chrono::nanoseconds) override {}
  Status protect(std::span<const std::uint64_t> pages) override;
  Status intercept(const kvm::Intercepts& wanted) override;
  Status reset() override { return Done{}; }
  Result<std::string> console(std::string_view) override { return std::string(); }

private:
  void loop(VcpuId id);
  kvm::Ram memory_;
  std::vector<kvm::Fd> fds_;
  std::vector<std::unique_ptr<kvm::Vcpu>> vcpus_;
  std::vector<std::unique_ptr<kvm::Cpu>> cpus_;
  std::deque<std::function<void()>> posted_;
  mutable bool halting_ = false;
};

} // namespace kdbg::test
