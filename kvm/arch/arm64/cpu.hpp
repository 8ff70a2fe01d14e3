#pragma once
/// One arm64 vCPU: its registers as debuggers see them, its debug state as KVM wants it, and what
/// single-stepping does to a guest behind its back.
#include "kvm/arch/arm64/decode.hpp"
#include "kvm/arch/arm64/one_reg.hpp"
#include "kvm/arch/arm64/registers.hpp"
#include "kvm/arch/arm64/translate.hpp"

namespace kdbg::kvm::arm64 {

class Arm64Cpu final : public Cpu {
public:
  Arm64Cpu(Vcpu& vcpu, GuestMemory& memory, const HostFacts& facts, const RegisterTable& table)
      : vcpu_(vcpu), memory_(memory), facts_(facts), table_(table), regs_(vcpu) {}

  bool registers_at_hand() const override;
  bool at_hand(RegisterId id) const override;
  void exited() override;
  Result<GuestVirt> pc() override;
  Result<Bytes> read(RegisterId id) override;
  Status write(RegisterId id, ByteView value) override;
  Result<Translation> translate(Address at) override;
  Result<std::unique_ptr<PageTables>> page_tables() override;
  Result<std::uint64_t> root() override;
  std::string describe() override;
  bool may_wait() const override { return may_wait_; }
  Result<bool> waiting() override;
  Result<bool> waits_for_ever() override;
  Result<bool> software_points_blocked() override;
  Status arm(const DebugPlan& plan) override;
  Result<StepPlan> begin_step() override;
  Result<bool> end_step() override;
  Result<bool> step_progressed() override;
  Result<bool> step_lost() override;
  Result<std::vector<Access>> accesses() override;
  Result<std::optional<Trap>> decode_exit() override;
  Status pass_to_guest(const Trap& trap) override;
  Result<GuestVirt> exception_entry(unsigned vector) override;
  Result<ExceptionFrame> exception_frame(unsigned vector) override;

private:
  // access.cpp
  Result<std::uint64_t> state();
  Status set_state(std::uint64_t value);
  Result<std::uint64_t> stack_pointer_id();
  Result<std::uint64_t> stack_pointer();
  Result<Bytes> read_vector(unsigned n);
  Status write_vector(unsigned n, ByteView value);
  Result<unsigned> vector_bytes();
  Result<bool> has_el2();
  Result<bool> in_aarch32();
  Result<Paging> paging();
  Result<std::optional<std::uint32_t>> word_at(std::uint64_t linear);

  // debug.cpp
  GuestDebug encode(const DebugPlan& plan) const;
  Status issue(const GuestDebug& want);
  DebugPlan run_through(const DebugPlan& plan);
  Result<Trap> decode_slots(Cause cause);
  Result<std::uint32_t> touched_slots();
  std::uint64_t syndrome() const;

  // step.cpp
  Status mask_interrupts();
  Status unmask_interrupts();
  Result<bool> took_exception(std::uint64_t pc);
  Status put_right_masks();
  Result<StepPlan> exclusive_ends(std::uint64_t pc);

  // exceptions.cpp
  /// The registers of the exception level that takes an exception.
  struct Level;
  Result<const Level*> level_of_handler(std::uint64_t state);
  Result<std::uint64_t> handler_state(const Level& level, std::uint64_t state);
  Status deliver(std::uint64_t syndrome, std::optional<std::uint64_t> fault_address);

  Vcpu& vcpu_;
  GuestMemory& memory_;
  const HostFacts& facts_;
  const RegisterTable& table_;
  OneRegs regs_;

  DebugPlan plan_{};
  std::optional<GuestDebug> armed_ = GuestDebug{}; ///< nothing: not known, so set it
  std::uint32_t ends_ = 0;    ///< slots of our own in what is armed, which end the step under way
  bool may_wait_ = true;      ///< the last exit does not rule it out
  bool single_ = false;       ///< what is armed runs one instruction
  bool vectors_in_z_ = false; ///< KVM says that V registers are not there
  bool a64_ = false;          ///< the vCPU is in AArch64 state, for sure
  std::optional<bool> el2_;   ///< it has EL2: nested virtualisation
  bool delivered_ = false;    ///< an exception was entered by us: the step under way is done
  std::optional<std::uint64_t> lost_at_; ///< pc at which a step was told of that was not done

  /// PSTATE.I and F as the guest set them, while we hold both set. The guest must never see ours.
  std::optional<std::uint64_t> hidden_masks_;
  bool masks_hold_ = false; ///< KVM's PSTATE has both set, for sure

  /// The machine before the step that is under way.
  struct Before {
    std::uint64_t pc = 0;
    std::optional<std::uint32_t> word; ///< nothing: no memory there, or not A64
    Instruction instruction;
    StepPlan ends;          ///< of a load-exclusive sequence: it is run through
    bool delivered = false; ///< pc is at a handler that was entered by us
  } before_;
};

} // namespace kdbg::kvm::arm64
