#pragma once
/// One LoongArch vCPU: registers that KVM moves in structures, its page tables, its steps.
#include "kvm/arch/loongarch64/abi.hpp"
#include "kvm/arch/loongarch64/decode.hpp"
#include "kvm/arch/loongarch64/registers.hpp"
#include "kvm/arch/loongarch64/translate.hpp"

namespace kdbg::kvm::loongarch64 {

class LoongArchCpu final : public SoftCpu {
public:
  LoongArchCpu(Vcpu& vcpu, GuestMemory& memory, const HostFacts& facts);
  // access.cpp
  void exited() override;
  Result<Bytes> read(RegisterId id) override;
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
  Result<std::uint64_t> fetch(std::uint64_t id) override;
  Status store(std::uint64_t id, std::uint64_t value) override;
  Status load_regs();
  Status load_fpu();
  Result<Paging> paging();
  Result<std::uint64_t> r(unsigned n) { return n == 0 ? Result<std::uint64_t>(0) : get(gpr(n)); }
  Shaper shaper() const;
  Result<bool> takes(const Instruction& branch);
  Result<StepPlan> carry_out(const Instruction& instruction, std::uint64_t pc);
  Result<StepPlan> end_at_vector(std::uint64_t exception);
  Result<StepPlan> return_from_exception();
  Result<std::uint64_t> vector(std::uint64_t exception);
  Status take_unknown_hypercall(std::uint64_t pc);

  const HostFacts& facts_;
  std::optional<Regs> regs_;
  std::optional<Fpu> fpu_;
};

} // namespace kdbg::kvm::loongarch64
