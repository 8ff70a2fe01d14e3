#include "tests/fakes/scripted_kernel.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace kdbg::test {

using namespace kvm;
using namespace kvm::x86;

namespace {

constexpr int most_instructions = 10000; // then KVM_RUN is interrupted, so no test can hang
constexpr std::uint32_t db = 1, bp = 3;

std::uint32_t watch_bits(const GuestDebug& debug, std::uint64_t at, std::uint64_t length) {
  std::uint32_t out = 0;
  for (unsigned n = 0; n < 4; ++n) {
    const std::uint64_t rw = debug.debugreg[7] >> (16 + 4 * n) & 3,
                        len = (debug.debugreg[7] >> (18 + 4 * n) & 3) + 1;
    const std::uint64_t bytes = len == 3 ? 8 : len;
    const bool on = (debug.debugreg[7] >> (2 * n) & 3) != 0 && (rw & 1) != 0;
    if (on && at < debug.debugreg[n] + bytes && debug.debugreg[n] < at + length) out |= 1u << n;
  }
  return out;
}

std::uint32_t exec_bits(const GuestDebug& debug, std::uint64_t at) {
  std::uint32_t out = 0;
  for (unsigned n = 0; n < 4; ++n) {
    const bool on =
        (debug.debugreg[7] >> (2 * n) & 3) != 0 && (debug.debugreg[7] >> (16 + 4 * n) & 3) == 0;
    if (on && debug.debugreg[n] == at) out |= 1u << n;
  }
  return out;
}

template <class T>
void move(bool write, T& ours, void* theirs) {
  if (write)
    std::memcpy(&ours, theirs, sizeof(T));
  else
    std::memcpy(theirs, &ours, sizeof(T));
}

} // namespace

Fd ScriptedKernel::add_vcpu(std::uint64_t rip) {
  const Fd fd{static_cast<int>(10 + vcpus_.size())};
  auto vcpu = std::make_unique<Vcpu>();
  vcpu->regs.rip = rip;
  vcpu->regs.rflags = 2;
  vcpu->regs.rsp = memory_.size() - 64;
  vcpu->sregs.cr0 = cr0_pe;
  vcpu->sregs.efer = efer_lma;
  vcpu->sregs.cs.l = 1;
  vcpu->debugregs.dr6 = dr6_fixed;
  vcpu->debugregs.dr7 = 0x400;
  vcpus_[fd] = std::move(vcpu);
  return fd;
}

kvm_run& ScriptedKernel::page(Fd fd) {
  return *reinterpret_cast<kvm_run*>(vcpus_.at(fd)->run.data());
}

Result<std::span<std::byte>> ScriptedKernel::map_run(Fd fd, std::size_t) {
  return std::span(vcpus_.at(fd)->run);
}
Result<std::span<std::byte>> ScriptedKernel::allocate(std::size_t) {
  return memory_;
}

Result<int> ScriptedKernel::ioctl(Fd fd, unsigned long request, void* argument) {
  log.push_back(request);
  if (fail_in_ >= 0 && fail_in_-- == 0) return Error{Code::kernel, "injected failure", error_};
  if (auto refusal = refused.find(request); refusal != refused.end())
    return Error{Code::kernel, "refused", refusal->second};
  auto found = vcpus_.find(fd);
  if (found == vcpus_.end()) return Error{Code::kernel, "no such file", EBADF};
  Vcpu& vcpu = *found->second;
  if (request == KVM_RUN) {
    const int error = run(vcpu);
    if (error != 0) return Error{Code::kernel, "interrupted", error};
    return 0;
  }
  if (request == get_msrs || request == set_msrs)
    return msr(vcpu, request == set_msrs, *static_cast<OneMsr*>(argument));
  access(vcpu, request, argument);
  return 0;
}

int ScriptedKernel::msr(Vcpu& vcpu, bool write, OneMsr& request) {
  if (unknown_msrs.contains(request.entry.index)) return 0;
  if (write)
    vcpu.msrs[request.entry.index] = request.entry.data;
  else
    request.entry.data = vcpu.msrs[request.entry.index];
  return 1;
}

void ScriptedKernel::access(Vcpu& vcpu, unsigned long request, void* argument) {
  switch (request) {
  case get_regs:
  case set_regs:
    if (request == set_regs) vcpu.events.exception.pending = vcpu.events.exception.injected = 0;
    return move(request == set_regs, vcpu.regs, argument);
  case get_sregs:
  case set_sregs:
    return move(request == set_sregs, vcpu.sregs, argument);
  case get_debugregs:
  case set_debugregs:
    return move(request == set_debugregs, vcpu.debugregs, argument);
  case get_events:
  case set_events:
    return move(request == set_events, vcpu.events, argument);
  case get_xsave:
  case get_xsave2:
  case set_xsave:
    move(request == set_xsave, vcpu.xsave, argument);
    if (request != get_xsave) {
      std::byte* tail = static_cast<std::byte*>(argument) + sizeof vcpu.xsave;
      if (request == set_xsave) std::copy_n(tail, vcpu.xsave_tail.size(), vcpu.xsave_tail.begin());
      std::copy(vcpu.xsave_tail.begin(), vcpu.xsave_tail.end(), tail);
    }
    return;
  case set_guest_debug:
    vcpu.debug = *static_cast<GuestDebug*>(argument);
    if ((vcpu.debug.control & debug_inject_bp) != 0) {
      vcpu.events.exception.injected = 1;
      vcpu.events.exception.nr = bp;
    }
    return;
  case KVM_GET_MP_STATE:
    static_cast<kvm_mp_state*>(argument)->mp_state = vcpu.mp_state;
    return;
  case KVM_SET_MP_STATE:
    vcpu.mp_state = static_cast<const kvm_mp_state*>(argument)->mp_state;
    return;
  default:
    return;
  }
}

int ScriptedKernel::debug_exit(Vcpu& vcpu, std::uint32_t exception, std::uint64_t dr6) {
  auto& page = *reinterpret_cast<kvm_run*>(vcpu.run.data());
  page.exit_reason = KVM_EXIT_DEBUG;
  const DebugExit exit{exception, 0, vcpu.regs.rip, dr6, 0};
  std::memcpy(&page.debug, &exit, sizeof exit);
  vcpu.resumed_at = vcpu.regs.rip;
  return 0;
}

int ScriptedKernel::breakpoint(Vcpu& vcpu) {
  auto& page = *reinterpret_cast<kvm_run*>(vcpu.run.data());
  if (int3_fails_emulation) {
    page.exit_reason = KVM_EXIT_INTERNAL_ERROR;
    page.internal.suberror = 1;
    return 0;
  }
  if (int3_exits && (vcpu.debug.control & debug_use_sw_bp) != 0) return debug_exit(vcpu, bp, 0);
  vcpu.events.exception.nr = bp;
  deliver(vcpu);
  return 0;
}

void ScriptedKernel::deliver(Vcpu& vcpu) {
  auto& exception = vcpu.events.exception;
  // on hardware KVM skips an int3 that it injects; an emulating one pushes the pc it finds
  const bool skips = exception.nr == bp && !int3_fails_emulation;
  delivered.push_back(
      {exception.nr, vcpu.regs.rip + (skips ? 1 : 0), vcpu.events.exception_payload});
  exception.pending = exception.injected = 0;
  reinterpret_cast<kvm_run*>(vcpu.run.data())->exit_reason = KVM_EXIT_HLT;
}

/// One entry: until an exit. Returns an errno.
int ScriptedKernel::run(Vcpu& vcpu) {
  auto& page = *reinterpret_cast<kvm_run*>(vcpu.run.data());
  if (const auto forced = std::exchange(next_exit, {})) {
    page.exit_reason = forced->reason;
    std::memcpy(&page.hw, &forced->detail, sizeof forced->detail);
    return 0;
  }
  if (std::exchange(vcpu.traps_after_out, false) && (vcpu.debug.control & debug_single_step) != 0) {
    return debug_exit(vcpu, db, dr6_fixed | dr6_bs);
  }
  if (page.immediate_exit == 0 &&
      (vcpu.events.exception.pending != 0 || vcpu.events.exception.injected != 0)) {
    deliver(vcpu);
    return 0;
  }
  for (int i = 0; i < most_instructions; ++i) {
    if (page.immediate_exit != 0) return EINTR;
    page.exit_reason = KVM_EXIT_UNKNOWN;
    const int answer = step(vcpu);
    if (answer != 0 || page.exit_reason != KVM_EXIT_UNKNOWN) return answer;
  }
  return EINTR;
}

/// As KVM does: pc is after the instruction, the write is left to userspace.
int ScriptedKernel::exit_for_write(Vcpu& vcpu, std::uint64_t at, std::uint32_t value) {
  auto& page = *reinterpret_cast<kvm_run*>(vcpu.run.data());
  if (fails_on_read_only) {
    page.exit_reason = KVM_EXIT_INTERNAL_ERROR;
    page.internal.suberror = 1;
    return 0;
  }
  vcpu.regs.rip += 2;
  page.exit_reason = KVM_EXIT_MMIO;
  page.mmio.phys_addr = at;
  page.mmio.len = sizeof value;
  page.mmio.is_write = 1;
  std::memcpy(page.mmio.data, &value, sizeof value);
  return 0;
}

int ScriptedKernel::step(Vcpu& vcpu) {
  auto& page = *reinterpret_cast<kvm_run*>(vcpu.run.data());
  Regs& regs = vcpu.regs;
  const bool exec_hidden = honours_resume_flag && vcpu.resumed_at == regs.rip;
  const std::uint32_t exec = (vcpu.debug.control & debug_use_hw_bp) != 0 && !exec_hidden
                                 ? exec_bits(vcpu.debug, regs.rip)
                                 : 0;
  if (exec != 0) return debug_exit(vcpu, db, dr6_fixed | exec);
  vcpu.resumed_at = ~std::uint64_t{0};
  std::uint32_t watched = 0;
  if (regs.rip + 1 >= memory_.size()) {
    page.exit_reason = KVM_EXIT_SHUTDOWN;
    return 0;
  }
  const auto byte = [&](std::uint64_t at) { return std::to_integer<unsigned>(memory_[at]); };
  switch (byte(regs.rip)) {
  case 0x90:
    regs.rip += 1;
    break;
  case 0xcc:
    return breakpoint(vcpu);
  case 0xf4:
    regs.rip += 1;
    page.exit_reason = KVM_EXIT_HLT;
    return 0;
  case 0xeb:
    regs.rip += 2 + static_cast<std::uint64_t>(static_cast<std::int8_t>(byte(regs.rip + 1)));
    break;
  case 0xff: {
    std::uint32_t value = 0;
    std::memcpy(&value, memory_.data() + regs.rdi, sizeof value);
    ++value;
    if (std::find(read_only.begin(), read_only.end(), regs.rdi & ~0xfffull) != read_only.end()) {
      return exit_for_write(vcpu, regs.rdi, value);
    }
    std::memcpy(memory_.data() + regs.rdi, &value, sizeof value);
    regs.rip += 2;
    if (watches_fire && (vcpu.debug.control & debug_use_hw_bp) != 0)
      watched = watch_bits(vcpu.debug, regs.rdi, 4);
    break;
  }
  case 0xe6:
    regs.rip += 2;
    page.exit_reason = KVM_EXIT_IO;
    page.io.direction = KVM_EXIT_IO_OUT;
    page.io.port = static_cast<std::uint16_t>(byte(regs.rip - 1));
    page.io.size = 1;
    page.io.count = 1;
    page.io.data_offset = 0x1000;
    vcpu.traps_after_out = !squashes_out_step && (vcpu.debug.control & debug_single_step) != 0;
    return 0;
  default:
    page.exit_reason = KVM_EXIT_INTERNAL_ERROR;
    page.internal.suberror = 1;
    return 0;
  }
  const bool stepped = (vcpu.debug.control & debug_single_step) != 0;
  if (!step_holds) vcpu.debug.control &= ~debug_single_step;
  if (stepped && step_tells_slots && (vcpu.debug.control & debug_use_hw_bp) != 0) {
    watched |= exec_bits(vcpu.debug, regs.rip);
  }
  if (stepped || watched != 0)
    return debug_exit(vcpu, db, dr6_fixed | watched | (stepped ? dr6_bs : 0));
  return 0;
}

} // namespace kdbg::test
