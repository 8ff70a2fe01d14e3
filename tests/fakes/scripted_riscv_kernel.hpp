#pragma once
/// RISC-V vCPUs on paper: a small interpreter of RV64I, A and some of C, in supervisor and user
/// mode, paging by the walk that is tested on its own. Behaves as Linux arch/riscv/kvm does.
#include "kvm/arch/riscv64/abi.hpp"
#include "tests/fakes/scripted_soft_kernel.hpp"

namespace kdbg::test {

class ScriptedRiscvKernel final : public ScriptedSoftKernel {
public:
  explicit ScriptedRiscvKernel(std::span<std::byte> memory) : ScriptedSoftKernel(memory) {
    extension[KVM_CAP_SET_GUEST_DEBUG] = 1;
  }
  bool has_floating_point = true;
  bool ebreak_exits = true, compressed_exits = true;

  std::uint64_t& x(kvm::Fd fd, unsigned n) { return vcpu(fd).regs[kvm::riscv64::core_x(n)]; }
  std::uint64_t& csr(kvm::Fd fd, kvm::riscv64::Csr which) {
    return vcpu(fd).regs[kvm::riscv64::csr(which)];
  }
  std::uint64_t& at(kvm::Fd fd) { return vcpu(fd).regs[kvm::riscv64::core_pc]; }
  std::uint64_t& mode(kvm::Fd fd) { return vcpu(fd).regs[kvm::riscv64::core_mode]; }
  /// An interrupt, when they are on: the handler is entered instead of the next instruction.
  void interrupt(kvm::Fd fd);

protected:
  void reset(Vcpu& vcpu) override;
  std::uint64_t& pc(Vcpu& vcpu) override { return vcpu.regs[kvm::riscv64::core_pc]; }
  void step(Vcpu& vcpu) override;
  bool has_register(std::uint64_t id) const override;
  void complete_mmio(Vcpu& vcpu) override { pc(vcpu) += 4; }

private:
  void trap(Vcpu& vcpu, std::uint64_t cause, std::uint64_t value);
  std::optional<std::uint64_t> physical(Vcpu& vcpu, std::uint64_t at) const;
  void breakpoint(Vcpu& vcpu, bool exits);
  void compressed(Vcpu& vcpu, std::uint32_t word);
  void access(Vcpu& vcpu, std::uint32_t word);
  void atomic(Vcpu& vcpu, std::uint32_t word);
  void system(Vcpu& vcpu, std::uint32_t word);
  void set(Vcpu& vcpu, unsigned n, std::uint64_t value) {
    if (n != 0) vcpu.regs[kvm::riscv64::core_x(n)] = value;
  }
  std::uint64_t get(Vcpu& vcpu, unsigned n) {
    return n == 0 ? 0 : vcpu.regs[kvm::riscv64::core_x(n)];
  }
};

} // namespace kdbg::test
