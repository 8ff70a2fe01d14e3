#pragma once
/// The built-in machine: RAM, vCPUs on their own threads, and a board of the host's CPU family. The
/// engine is its debugger.
#include "kvm/machine/board.hpp"
#include "kvm/machine/regions.hpp"
#include "kvm/machine/runner.hpp"
#include "kvm/vmm.hpp"

namespace kdbg::kvm {

class Engine;

class Machine final : public Vmm {
public:
  /// `image` and `files` (with the memory they point into), `kernel`, `arch` and `facts` must
  /// outlive the machine.
  static Result<std::unique_ptr<Machine>> create(Kernel& kernel,
                                                 const Arch& arch,
                                                 const HostFacts& facts,
                                                 const MachineOptions& options,
                                                 const Image& image,
                                                 const BootFiles& files,
                                                 Outlets outlets);
  ~Machine() override;
  /// Once, before the first release.
  void attach(Engine& engine) { engine_ = &engine; }
  /// Bytes for the guest's console. Any thread.
  void console_input(ByteView data) { board_->receive(data); }
  /// Whether the vCPUs have done next to nothing since the last call.
  bool idle() { return runner_->idle(); }
  /// Halts, and waits until every vCPU has parked.
  void quiesce();

  std::size_t vcpu_count() const override { return vcpus_.size(); }
  Vcpu& vcpu(VcpuId id) override { return *vcpus_[index(id)]; }
  Cpu& cpu(VcpuId id) override { return *cpus_[index(id)]; }
  GuestMemory& memory() override { return *ram_; }
  Status protect(std::span<const std::uint64_t> pages) override {
    return regions_.set(vm_, ram_->ranges(), pages);
  }
  Status intercept(const Intercepts& wanted) override {
    return arch_.intercept(kernel_, vm_, wanted);
  }
  void on_vcpu(VcpuId id, const std::function<void()>& work) override {
    runner_->on_vcpu(id, work);
  }
  void release(std::span<const VcpuId> ids) override { runner_->release(ids); }
  void halt() override { runner_->halt(); }
  bool halting() const override { return runner_->halting(); }
  void post(std::function<void()> work) override { outlets_.post(std::move(work)); }
  void hide_pause(std::chrono::nanoseconds held) override;
  Status reset() override;
  Result<std::string> console(std::string_view typed) override;

private:
  Machine(Kernel& kernel,
          const Arch& arch,
          const HostFacts& facts,
          const MachineOptions& options,
          Outlets outlets);
  Status create_vm();
  Status create_memory();
  Status create_vcpu(std::size_t n);
  Status start();
  Status load_and_enter();
  template <class F>
  Status on_each_vcpu(F work);
  void loop(VcpuId id);
  void transmit(std::byte byte);

  Kernel& kernel_;
  const Arch& arch_;
  const HostFacts& facts_;
  const MachineOptions options_;
  Outlets outlets_;
  Engine* engine_ = nullptr;

  Fd kvm_ = Fd::none, vm_ = Fd::none;
  std::unique_ptr<Board> board_;
  std::unique_ptr<Ram> ram_;
  Regions regions_;
  std::vector<std::unique_ptr<Vcpu>> vcpus_;
  std::vector<std::unique_ptr<Cpu>> cpus_;
  std::mutex console_mutex_;
  std::string console_tail_;       ///< the latest output, for clients that ask
  std::unique_ptr<Runner> runner_; ///< last: its threads use all of the above
};

} // namespace kdbg::kvm
