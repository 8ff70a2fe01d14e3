#pragma once
/// One x86 vCPU: its registers as debuggers see them, its debug state as KVM wants it, and what
/// single-stepping does to a guest behind its back.
#include "kvm/arch/x86_64/abi.hpp"
#include "kvm/arch/x86_64/decode.hpp"
#include "kvm/arch/x86_64/registers.hpp"
#include "kvm/arch/x86_64/translate.hpp"

namespace kdbg::kvm::x86 {

class X86Cpu final : public Cpu {
public:
  X86Cpu(Vcpu& vcpu, GuestMemory& memory, const HostFacts& facts, const ArchInfo& info)
      : vcpu_(vcpu), memory_(memory), facts_(facts), info_(info) {}

  bool registers_at_hand() const override { return sync_valid_ || (regs_ && sregs_); }
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
  Result<bool> emulate(ByteView code, const WriteFilter& may_write) override;
  Result<std::vector<CodeLine>> disassemble(ByteView code, std::uint64_t at) override {
    TRY(load_sregs());
    return x86::disassemble(code, at, code_mode(*sregs_));
  }
  Result<bool> step_lost() override;
  Result<std::vector<Access>> accesses() override;
  Result<std::optional<Trap>> decode_exit() override;
  Status pass_to_guest(const Trap& trap) override;
  Status serve_register_exit() override;
  Result<GuestVirt> exception_entry(unsigned vector) override;
  Result<ExceptionFrame> exception_frame(unsigned vector) override;
  Result<DescriptorList>
  descriptors(TableKind table, std::uint64_t first, std::uint64_t count) override;
  Result<std::uint64_t> read_msr(std::uint32_t index) override;
  Status change_msr(std::uint32_t index, std::uint64_t value) override;

private:
  // registers.cpp's table, read and written (access.cpp, segments.cpp)
  Status load_regs();
  Status load_sregs();
  Status flush_regs();
  Status store_sregs(const Sregs& changed, std::string_view what);
  Result<Bytes> read_system(RegisterId id);
  Status write_system(RegisterId id, std::uint64_t value);
  Status load_selector(Segment& segment, std::string_view name, std::uint16_t selector);
  Result<std::uint64_t> read_stable_msr(std::uint32_t index);
  Status write_msr(std::uint32_t index, std::uint64_t value);
  Result<std::uint64_t*> debug_field(unsigned number);
  Status load_xsave();
  Status write_xsave(RegisterId id, ByteView value);
  std::uint64_t shown_rflags() const;
  bool guest_trap_flag() const;

  // memory at linear addresses, through the present page tables
  std::size_t read_linear(std::uint64_t at, std::span<std::byte> out);
  bool write_linear(std::uint64_t at, ByteView data);
  Result<Bytes> code_at_pc();

  // debug.cpp
  Status issue(std::uint32_t extra_control);
  Status expect_lingering_trap(const DebugPlan& plan);
  GuestDebug encode(const DebugPlan& plan) const;
  Status deliver_debug_exception();
  Result<std::uint64_t> guests_slots(std::uint64_t dr6);
  Result<Trap> read_dr6(std::uint64_t dr6);

  // emulate.cpp
  std::optional<GuestPhys> reach(std::uint64_t at, std::size_t length, bool write);

  // exceptions.cpp
  struct Gate {
    std::uint64_t target = 0; ///< linear
    bool present = false;
    std::uint64_t privilege = 0; ///< least privilege that may raise it by an instruction
  };
  Result<Gate> read_gate(unsigned vector);

  // descriptors.cpp
  Result<DescriptorList> gates(std::uint64_t first, std::uint64_t count, bool real, bool long_mode);
  Result<DescriptorList>
  segments(DescriptorList out, std::uint64_t first, std::uint64_t count, bool long_mode);
  Result<DescriptorList> task_state(bool long_mode);

  // unemulated.cpp
  Result<std::optional<Trap>> decode_unemulated();
  Result<bool> software_interrupt(std::uint8_t vector);

  // step.cpp
  std::uint64_t stack_address(std::uint64_t pointer) const;
  unsigned stack_width() const;
  bool flags_image(std::uint64_t at, unsigned bytes, std::uint64_t& flags);
  Status set_trap_flag_at(std::uint64_t at, unsigned bytes, bool on);
  Result<bool> clean_exception_frame();
  Result<bool> halt_by_hand();
  Result<std::optional<std::uint64_t>> handler_to_come();
  bool faults(const Access& access);
  std::optional<std::uint64_t> iret_target();
  Status end_awkward_step();

  Vcpu& vcpu_;
  GuestMemory& memory_;
  const HostFacts& facts_;
  const ArchInfo& info_;

  std::optional<Regs> regs_;
  std::optional<Sregs> sregs_;
  Bytes xsave_; ///< empty: not read yet
  std::optional<DebugRegs> debugregs_;
  std::optional<std::uint64_t> kernel_gs_base_;
  bool regs_dirty_ = false;
  bool may_wait_ = true;    ///< the last exit does not rule it out
  bool sync_valid_ = false; ///< kvm_run holds the registers of the last exit

  DebugPlan plan_{};
  std::optional<GuestDebug> armed_ = GuestDebug{}; ///< nothing: not known, so set it
  bool guest_tf_ = false;                          ///< the guest's own TF while SINGLESTEP hides it
  std::uint64_t trap_for_guest_ = 0; ///< DR6 cause bits of a #DB that the guest must still take
  bool trap_due_ = false;
  bool sti_shadow_due_ = false;
  /// After a step where its trap may linger: the guest's own debug registers, armed as if they were
  /// ours, so that every #DB of this entry comes here.
  std::optional<DebugRegs> lingering_;
  std::uint64_t entered_at_ = 0; ///< rip when that was armed
  bool step_cut_ = false;        ///< the step under way had another exit than its trap
  bool breakpoint_due_ = false;  ///< a #BP that the guest must still take

  /// The machine before the step that is under way.
  struct Before {
    Instruction instruction;
    Regs regs{};
    std::uint64_t cs_selector = 0;
    bool guest_tf = false;
    std::uint64_t flags_to_load = 0; ///< image that popf, iret or sysret takes
    bool interrupts_off = false;
  } before_;
};

} // namespace kdbg::kvm::x86
