#pragma once
/// An arm64 KVM made of paper: vCPUs that know some twenty instructions with the MMU off, ONE_REG,
/// and KVM_SET_GUEST_DEBUG with the semantics that Linux documents. So everything in
/// kvm/arch/arm64 runs on any host.
#include "kvm/arch/arm64/abi.hpp"
#include "kvm/kernel.hpp"

#include <linux/kvm.h>
#include <map>
#include <memory>
#include <optional>
#include <set>

namespace kdbg::test {

class ScriptedArm64Kernel : public kvm::Kernel {
public:
  explicit ScriptedArm64Kernel(std::span<std::byte> guest_memory) : memory_(guest_memory) {}

  // What kind of KVM this is.
  bool brk_exits = true, steps = true, exec_fires = true, watches_fire = true;
  bool masks_hold = true;           ///< PSTATE.I keeps an interrupt out
  bool pays_steps_twice = true;     ///< a step told of by EINTR is told of again by a debug exit
  std::uint64_t reported_below = 0; ///< watchpoint exits name an address that far below the access
  bool far_valid = true;
  std::uint32_t known_flags = 0x30003; ///< of KVM_SET_GUEST_DEBUG
  std::map<unsigned long, int> capabilities{{23, 1}, {195, 0x30003}, {119, 6}, {120, 4}, {170, 0}};
  std::set<unsigned long> refused_requests; ///< ENOTTY
  /// The next KVM_RUN ends with this exit at once.
  struct Exit {
    std::uint32_t reason = 0, hsr = 0;
    std::uint64_t far = 0;
  };
  std::optional<Exit> next_exit;

  /// The nth ioctl from now (0-based) fails with this errno; KVM_RUN counts too.
  void fail_nth(int n, int error) {
    fail_in_ = n;
    error_ = error;
  }
  /// False once the failure has happened, or when none was asked for.
  bool failure_pending() const { return fail_in_ >= 0; }

  kvm::Fd add_vcpu(std::uint64_t pc);
  kvm_run& page(kvm::Fd fd);
  const kvm::arm64::GuestDebug& debug(kvm::Fd fd) { return vcpus_.at(fd)->debug; }
  bool& irq_pending(kvm::Fd fd) { return vcpus_.at(fd)->irq; }
  std::uint32_t& mp_state(kvm::Fd fd) { return vcpus_.at(fd)->mp_state; }
  std::uint64_t get(kvm::Fd fd, std::uint64_t id) const;
  void set(kvm::Fd fd, std::uint64_t id, std::uint64_t value);
  Bytes& bytes(kvm::Fd fd, std::uint64_t id) { return vcpus_.at(fd)->regs.at(id); }
  bool has(kvm::Fd fd, std::uint64_t id) const { return vcpus_.at(fd)->regs.contains(id); }
  /// Z, P and FFR in place of V, as with SVE finalised.
  void give_sve(kvm::Fd fd, unsigned vector_bytes);
  void give_el2(kvm::Fd fd);
  void put(std::uint64_t at, std::initializer_list<std::uint32_t> words);

  std::uint64_t vm_type = ~std::uint64_t{0}; ///< of the last VM made
  std::vector<unsigned long> log;            ///< every ioctl asked for
  std::vector<std::uint64_t> read, written;  ///< ids, by ONE_REG

  Result<kvm::Fd> open_kvm() override { return kvm::Fd{3}; }
  Result<int> ioctl(kvm::Fd fd, unsigned long request, void* argument) override;
  Result<std::span<std::byte>> map_run(kvm::Fd fd, std::size_t length) override;
  Result<std::span<std::byte>> allocate(std::size_t) override { return memory_; }
  void close(kvm::Fd) override {}
  kvm::ThreadId adopt_thread(std::uint8_t*) override { return kvm::ThreadId{1}; }
  void kick(kvm::ThreadId) override {}

private:
  struct Vcpu {
    std::map<std::uint64_t, Bytes> regs;
    kvm::arm64::GuestDebug debug{};
    std::vector<std::byte> run = std::vector<std::byte>(0x3000);
    std::uint32_t mp_state = KVM_MP_STATE_RUNNABLE;
    bool irq = false, step_due = false;
    bool mmio = false, mmio_load = false;
    unsigned mmio_register = 0;
    std::optional<std::uint64_t> monitor; ///< address of the load-exclusive
    std::uint64_t& x(std::uint64_t id) {
      return *reinterpret_cast<std::uint64_t*>(regs.at(id).data());
    }
    kvm_run& page() { return *reinterpret_cast<kvm_run*>(run.data()); }
  };
  /// ESR_EL1 for an exception of this class, by a 32-bit instruction.
  static constexpr std::uint32_t syndrome(std::uint32_t cause, std::uint32_t rest = 0) {
    return cause << 26 | 1u << 25 | rest;
  }
  Result<int> on_system(unsigned long request, void* argument);
  int one_reg(Vcpu& vcpu, bool write, const kvm::arm64::OneReg& request);
  int run(Vcpu& vcpu);
  bool before_instruction(Vcpu& vcpu);

  // scripted_arm64_instructions.cpp
  void execute(Vcpu& vcpu, std::uint32_t word);
  bool execute_system(Vcpu& vcpu, std::uint32_t word);
  bool execute_branch(Vcpu& vcpu, std::uint32_t word);
  bool execute_memory(Vcpu& vcpu, std::uint32_t word);
  bool watched(Vcpu& vcpu, std::uint64_t at, std::uint64_t length, bool write);
  void access(Vcpu& vcpu, std::uint64_t at, unsigned length, bool load, unsigned rt);

  void exception(Vcpu& vcpu, std::uint64_t syndrome, std::uint64_t back, std::uint64_t offset);
  void debug_exit(Vcpu& vcpu, std::uint32_t hsr, std::uint64_t far = 0);

  std::span<std::byte> memory_;
  std::map<kvm::Fd, std::unique_ptr<Vcpu>> vcpus_;
  int fail_in_ = -1, error_ = 0;
};

} // namespace kdbg::test
