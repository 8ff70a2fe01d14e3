#pragma once
/// A KVM made of paper whose only debugging is a breakpoint instruction: virtual machine, vCPUs,
/// KVM_RUN and single registers. A derived class has the instructions of one architecture. Memory
/// starts at physical 0.
#include "kvm/kernel.hpp"
#include "kvm/soft_cpu.hpp"

#include <cstring>
#include <functional>
#include <linux/kvm.h>
#include <map>
#include <memory>
#include <optional>

namespace kdbg::test {

class ScriptedSoftKernel : public kvm::Kernel {
public:
  /// One vCPU. A reservation lasts until KVM_RUN returns, as on hardware.
  struct Vcpu {
    std::map<std::uint64_t, std::uint64_t> regs; ///< by KVM_GET_ONE_REG's ids
    std::vector<std::byte> run = std::vector<std::byte>(0x3000);
    std::uint32_t control = 0; ///< of KVM_SET_GUEST_DEBUG
    std::uint32_t mp_state = KVM_MP_STATE_RUNNABLE;
    std::optional<std::uint64_t> reservation;
    bool completes_mmio = false; ///< the pc is still at the instruction
    kvm_run& page() { return *reinterpret_cast<kvm_run*>(run.data()); }
  };

  explicit ScriptedSoftKernel(std::span<std::byte> memory) : memory_(memory) {}
  kvm::Fd add_vcpu(std::uint64_t pc);
  Vcpu& vcpu(kvm::Fd fd) { return *vcpus_.at(fd); }

  std::map<unsigned long, int> refused;   ///< these ioctls fail, each with its errno
  std::map<unsigned long, int> extension; ///< answers to KVM_CHECK_EXTENSION; 0 for the rest
  bool steps = false;                     ///< SINGLESTEP works, which no Linux does today
  /// The nth ioctl from now (0-based) fails with this errno; KVM_RUN counts too.
  void fail_nth(int n, int error) {
    fail_in_ = n;
    error_ = error;
  }
  bool failure_pending() const { return fail_in_ >= 0; }
  /// Called before each instruction; it may kick, or raise an interrupt.
  std::function<void(kvm::Fd, std::uint64_t pc)> before_instruction;
  std::vector<unsigned long> log; ///< every ioctl asked for
  std::uint64_t executed = 0;     ///< instructions

  Result<kvm::Fd> open_kvm() override { return kvm::Fd{3}; }
  Result<int> ioctl(kvm::Fd fd, unsigned long request, void* argument) override;
  Result<std::span<std::byte>> map_run(kvm::Fd fd, std::size_t length) override;
  Result<std::span<std::byte>> allocate(std::size_t) override { return memory_; }
  void close(kvm::Fd) override {}
  kvm::ThreadId adopt_thread(std::uint8_t*) override { return kvm::ThreadId{1}; }
  void kick(kvm::ThreadId) override {}

protected:
  /// As at power-on.
  virtual void reset(Vcpu& vcpu) = 0;
  virtual std::uint64_t& pc(Vcpu& vcpu) = 0;
  /// One instruction. It leaves exit_reason alone unless the vCPU exits.
  virtual void step(Vcpu& vcpu) = 0;
  /// Bits of KVM_SET_GUEST_DEBUG that are refused.
  virtual std::uint32_t unknown_control() const { return 0; }
  virtual bool has_register(std::uint64_t id) const = 0;
  virtual void written(Vcpu&, std::uint64_t /*id*/) {}
  /// What this architecture has beside the common ioctls.
  virtual Result<int> other(Vcpu& vcpu, unsigned long request, void* argument);
  /// The pc moves behind an access that userspace has served.
  virtual void complete_mmio(Vcpu& vcpu) = 0;

  bool debugging(const Vcpu& vcpu) const { return (vcpu.control & kvm::plain_debug_enable) != 0; }
  void exit_mmio(Vcpu& vcpu, std::uint64_t at, std::uint64_t value, unsigned bytes);
  template <class T>
  T load(std::uint64_t physical) const {
    T out{};
    if (physical + sizeof(T) <= memory_.size())
      std::memcpy(&out, memory_.data() + physical, sizeof(T));
    return out;
  }
  std::uint64_t load(std::uint64_t physical, unsigned bytes) const;
  void store(std::uint64_t physical, std::uint64_t value, unsigned bytes);
  bool is_memory(std::uint64_t physical) const { return physical < memory_.size(); }

  std::span<std::byte> memory_;

private:
  Result<int> system(unsigned long request, void* argument);
  Result<int> one_reg(Vcpu& vcpu, bool write, const kvm_one_reg& request);
  int run(kvm::Fd fd, Vcpu& vcpu);
  std::map<kvm::Fd, std::unique_ptr<Vcpu>> vcpus_;
  int fail_in_ = -1, error_ = 0;
};

} // namespace kdbg::test
