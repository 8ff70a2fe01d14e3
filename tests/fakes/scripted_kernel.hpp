#pragma once
/// A KVM made of paper: one or more x86 vCPUs that know five instructions, and the debug ioctls
/// with the semantics that Linux documents. Everything in kvm/ runs on it without /dev/kvm, and
/// any ioctl can be made to fail.
#include "kvm/arch/x86_64/abi.hpp"
#include "kvm/kernel.hpp"

#include <linux/kvm.h>
#include <map>
#include <memory>
#include <optional>
#include <set>

namespace kdbg::test {

/// Executes nop (90), int3 (CC), hlt (F4), jmp rel8 (EB), inc dword [rdi] (FF 07) and out imm8
/// (E6) in a flat 64-bit guest whose memory starts at 0.
class ScriptedKernel : public kvm::Kernel {
public:
  explicit ScriptedKernel(std::span<std::byte> guest_memory) : memory_(guest_memory) {}
  void use(std::span<std::byte> guest_memory) { memory_ = guest_memory; }

  // What kind of KVM this is.
  bool int3_exits = true, int3_fails_emulation = false, watches_fire = true,
       honours_resume_flag = true;
  bool step_holds = true;        ///< SINGLESTEP stays armed after a step
  bool step_tells_slots = false; ///< a step onto an execution slot has both causes, as on a VMX
  bool squashes_out_step = false;
  std::vector<std::uint64_t> read_only; ///< pages whose writes exit as MMIO, undone
  bool fails_on_read_only = false;      ///< cannot emulate such a write
  /// The next KVM_RUN ends like this at once, with this in the exit's first word.
  struct Exit {
    std::uint32_t reason = 0;
    std::uint64_t detail = 0;
  };
  std::optional<Exit> next_exit;

  /// The nth ioctl from now (0-based) fails with this errno; KVM_RUN counts too.
  void fail_nth(int n, int error) {
    fail_in_ = n;
    error_ = error;
  }
  /// False once the failure has happened, or when none was asked for.
  bool failure_pending() const { return fail_in_ >= 0; }
  std::map<unsigned long, int> refused; ///< these ioctls fail, each with its errno
  std::set<std::uint32_t> unknown_msrs; ///< read and written: 0 done

  kvm::Fd add_vcpu(std::uint64_t rip);
  kvm_run& page(kvm::Fd fd);
  kvm::x86::Regs& regs(kvm::Fd fd) { return vcpus_.at(fd)->regs; }
  const kvm::x86::GuestDebug& debug(kvm::Fd fd) { return vcpus_.at(fd)->debug; }
  kvm::x86::VcpuEvents& events(kvm::Fd fd) { return vcpus_.at(fd)->events; }
  kvm::x86::Sregs& sregs(kvm::Fd fd) { return vcpus_.at(fd)->sregs; }
  kvm::x86::DebugRegs& debugregs(kvm::Fd fd) { return vcpus_.at(fd)->debugregs; }
  /// What of the XSAVE area is beyond the first 4096 bytes; KVM_GET_XSAVE2 wants it all.
  Bytes& xsave_tail(kvm::Fd fd) { return vcpus_.at(fd)->xsave_tail; }
  kvm::x86::Xsave& xsave(kvm::Fd fd) { return vcpus_.at(fd)->xsave; }
  std::uint64_t& msr(kvm::Fd fd, std::uint32_t index) { return vcpus_.at(fd)->msrs[index]; }
  std::uint32_t& mp_state(kvm::Fd fd) { return vcpus_.at(fd)->mp_state; }
  /// Exceptions that the guest's handlers took: the vector, the pc pushed, DR6 cause bits. The
  /// handler of each halts.
  struct Delivered {
    unsigned vector = 0;
    std::uint64_t pushed = 0, cause = 0;
  };
  std::vector<Delivered> delivered;
  std::vector<unsigned long> log; ///< every ioctl asked for

  Result<kvm::Fd> open_kvm() override { return kvm::Fd{3}; }
  Result<int> ioctl(kvm::Fd fd, unsigned long request, void* argument) override;
  Result<std::span<std::byte>> map_run(kvm::Fd fd, std::size_t length) override;
  Result<std::span<std::byte>> allocate(std::size_t length) override;
  void close(kvm::Fd) override {}
  kvm::ThreadId adopt_thread(std::uint8_t*) override { return kvm::ThreadId{1}; }
  void kick(kvm::ThreadId) override {}

private:
  struct Vcpu {
    kvm::x86::Regs regs{};
    kvm::x86::Sregs sregs{};
    kvm::x86::DebugRegs debugregs{};
    kvm::x86::VcpuEvents events{};
    kvm::x86::GuestDebug debug{};
    kvm::x86::Xsave xsave{};
    Bytes xsave_tail;
    std::map<std::uint32_t, std::uint64_t> msrs;
    std::uint32_t mp_state = KVM_MP_STATE_RUNNABLE;
    std::vector<std::byte> run = std::vector<std::byte>(0x3000);
    std::uint64_t resumed_at = ~std::uint64_t{0}; ///< where RF hides an execution breakpoint
    bool completes_out = false, traps_after_out = false;
  };
  int run(Vcpu& vcpu);
  int step(Vcpu& vcpu);
  int exit_for_write(Vcpu& vcpu, std::uint64_t at, std::uint32_t value);
  int debug_exit(Vcpu& vcpu, std::uint32_t exception, std::uint64_t dr6);
  int breakpoint(Vcpu& vcpu);
  void deliver(Vcpu& vcpu);
  void access(Vcpu& vcpu, unsigned long request, void* argument);
  int msr(Vcpu& vcpu, bool write, kvm::x86::OneMsr& request);

  std::span<std::byte> memory_;
  std::map<kvm::Fd, std::unique_ptr<Vcpu>> vcpus_;
  int fail_in_ = -1, error_ = 0;
};

} // namespace kdbg::test
