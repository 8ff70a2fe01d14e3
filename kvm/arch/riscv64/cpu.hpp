#pragma once
/// One RISC-V vCPU: its page tables, its steps, and its traps.
#include "kvm/arch/riscv64/abi.hpp"
#include "kvm/arch/riscv64/decode.hpp"
#include "kvm/arch/riscv64/registers.hpp"

namespace kdbg::kvm::riscv64 {

class RiscvCpu final : public SoftCpu {
public:
  RiscvCpu(Vcpu& vcpu, GuestMemory& memory);
  // access.cpp
  Status write(RegisterId id, ByteView value) override;
  Result<Translation> translate(Address at) override;
  Result<std::unique_ptr<PageTables>> page_tables() override;
  Result<std::uint64_t> root() override;
  std::string describe() override;
  Result<std::vector<Access>> accesses() override;
  // step.cpp
  Result<StepPlan> begin_step() override;
  // debug.cpp
  Status pass_to_guest(const Trap& trap) override;

private:
  Result<std::uint64_t> x(unsigned n) { return n == 0 ? Result<std::uint64_t>(0) : get(core_x(n)); }
  Result<std::uint64_t> handler();
  Status jump(std::uint64_t target, std::uint8_t link, std::uint64_t back);
  Result<StepPlan> carry_out(const Instruction& instruction, std::uint64_t pc);
  Status take_breakpoint(std::uint64_t pc);
};

} // namespace kdbg::kvm::riscv64
