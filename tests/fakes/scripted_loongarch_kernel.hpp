#pragma once
/// LoongArch vCPUs on paper: a small interpreter, translation by the walk that is tested on its
/// own. Behaves as Linux arch/loongarch/kvm does.
#include "kvm/arch/loongarch64/abi.hpp"
#include "tests/fakes/scripted_soft_kernel.hpp"

#include <array>

namespace kdbg::test {

class ScriptedLoongArchKernel final : public ScriptedSoftKernel {
public:
  explicit ScriptedLoongArchKernel(std::span<std::byte> memory) : ScriptedSoftKernel(memory) {
    extension[KVM_CAP_SET_GUEST_DEBUG] = 1;
  }
  std::uint32_t breakpoint_code = 0x101; ///< as a vCPU is made; 0: this KVM has none
  bool breakpoint_exits = true;

  std::uint64_t& r(kvm::Fd fd, unsigned n) { return vcpu(fd).regs[kvm::loongarch64::gpr(n)]; }
  std::uint64_t& csr(kvm::Fd fd, kvm::loongarch64::Csr which, unsigned after = 0) {
    return vcpu(fd).regs[kvm::loongarch64::csr(which, after)];
  }
  std::uint64_t& fcc(kvm::Fd fd) { return vcpu(fd).regs[kvm::loongarch64::fcc_id]; }
  std::uint64_t& at(kvm::Fd fd) { return vcpu(fd).regs[kvm::loongarch64::pc_id]; }
  /// An interrupt, when they are on: the handler is entered instead of the next instruction.
  void interrupt(kvm::Fd fd);

protected:
  void reset(Vcpu& vcpu) override;
  std::uint64_t& pc(Vcpu& vcpu) override { return vcpu.regs[kvm::loongarch64::pc_id]; }
  void step(Vcpu& vcpu) override;
  std::uint32_t unknown_control() const override { return ~0x10003u; }
  bool has_register(std::uint64_t id) const override;
  Result<int> other(Vcpu& vcpu, unsigned long request, void* argument) override;
  void complete_mmio(Vcpu&) override {} // a store's pc has moved on already

private:
  void trap(Vcpu& vcpu, std::uint64_t exception);
  void hypercall(Vcpu& vcpu, std::uint32_t code);
  void leave_exception(Vcpu& vcpu);
  void branch(Vcpu& vcpu, std::uint32_t word);
  void access(Vcpu& vcpu, std::uint32_t word);
  std::optional<std::uint64_t> physical(Vcpu& vcpu, std::uint64_t at) const;
  void set(Vcpu& vcpu, unsigned n, std::uint64_t value) {
    if (n != 0) vcpu.regs[kvm::loongarch64::gpr(n)] = value;
  }
  std::uint64_t get(Vcpu& vcpu, unsigned n) { return vcpu.regs[kvm::loongarch64::gpr(n)]; }
  std::map<const Vcpu*, std::array<std::uint64_t, 32>> vector_high_; ///< of LSX's registers
};

} // namespace kdbg::test
