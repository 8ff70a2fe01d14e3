#include "tests/fakes/scripted_arm64_kernel.hpp"

#include "kvm/arch/arm64/system_registers.hpp"

#include <cerrno>
#include <cstring>

namespace kdbg::test {

using namespace kvm;
using namespace kvm::arm64;

namespace {

constexpr int most_instructions = 50000; // then KVM_RUN is interrupted, so no test can hang
constexpr Fd system_fd{3}, vm_fd{4};
constexpr std::uint64_t spsr_kept = 0xffffffff;

} // namespace

Fd ScriptedArm64Kernel::add_vcpu(std::uint64_t start) {
  const Fd fd{static_cast<int>(10 + vcpus_.size())};
  auto vcpu = std::make_unique<Vcpu>();
  const auto has = [&](std::uint64_t id) { vcpu->regs[id] = Bytes(bytes_of(id)); };
  for (unsigned n = 0; n < 31; ++n)
    has(reg::x(n));
  for (const auto id :
       {reg::sp_el0, reg::pc, reg::pstate, reg::sp_el1, reg::elr_el1, reg::fpsr, reg::fpcr})
    has(id);
  for (unsigned n = 0; n < 5; ++n)
    has(reg::spsr(n));
  for (unsigned n = 0; n < 32; ++n)
    has(reg::v(n));
  for (const auto& each : system_registers()) {
    if (!each.name.ends_with("_el2")) has(each.id);
  }
  for (const auto& each : debug_registers())
    has(each.id);
  for (unsigned n = 0; n < most_pairs; ++n) {
    for (unsigned op2 = 4; op2 < 8; ++op2)
      has(reg::sysreg(2, 0, 0, n, op2));
  }
  vcpu->x(reg::pc) = start;
  vcpu->x(reg::pstate) = 5; // EL1h
  vcpu->x(reg::sctlr_el1) = sctlr_span;
  vcpus_[fd] = std::move(vcpu);
  return fd;
}

void ScriptedArm64Kernel::give_sve(Fd fd, unsigned vector_bytes) {
  auto& regs = vcpus_.at(fd)->regs;
  for (unsigned n = 0; n < 32; ++n) {
    regs.erase(reg::v(n));
    regs[reg::z(n)] = Bytes(256);
  }
  for (unsigned n = 0; n < 16; ++n)
    regs[reg::p(n)] = Bytes(32);
  regs[reg::ffr] = Bytes(32);
  const unsigned longest = vector_bytes / 16 - 1;
  regs[reg::vector_lengths] = Bytes(64);
  for (unsigned n = 0; n <= longest; ++n)
    regs[reg::vector_lengths][n / 8] |= static_cast<std::byte>(1u << n % 8);
}

void ScriptedArm64Kernel::give_el2(Fd fd) {
  for (const auto& each : system_registers())
    vcpus_.at(fd)->regs.try_emplace(each.id, Bytes(bytes_of(each.id)));
}

void ScriptedArm64Kernel::put(std::uint64_t at, std::initializer_list<std::uint32_t> words) {
  for (const std::uint32_t word : words) {
    std::memcpy(memory_.data() + at, &word, sizeof word);
    at += sizeof word;
  }
}

kvm_run& ScriptedArm64Kernel::page(Fd fd) {
  return vcpus_.at(fd)->page();
}
std::uint64_t ScriptedArm64Kernel::get(Fd fd, std::uint64_t id) const {
  std::uint64_t out = 0;
  const Bytes& value = vcpus_.at(fd)->regs.at(id);
  std::memcpy(&out, value.data(), std::min(value.size(), sizeof out));
  return out;
}
void ScriptedArm64Kernel::set(Fd fd, std::uint64_t id, std::uint64_t value) {
  Bytes& out = vcpus_.at(fd)->regs.at(id);
  std::memcpy(out.data(), &value, std::min(out.size(), sizeof value));
}

Result<std::span<std::byte>> ScriptedArm64Kernel::map_run(Fd fd, std::size_t) {
  return std::span(vcpus_.at(fd)->run);
}

Result<int> ScriptedArm64Kernel::on_system(unsigned long request, void* argument) {
  if (request == KVM_CHECK_EXTENSION) {
    const auto found = capabilities.find(reinterpret_cast<std::uintptr_t>(argument));
    return found == capabilities.end() ? 0 : found->second;
  }
  if (request == KVM_CREATE_VM) {
    vm_type = reinterpret_cast<std::uintptr_t>(argument);
    return static_cast<int>(vm_fd);
  }
  if (request == KVM_CREATE_VCPU) return static_cast<int>(add_vcpu(0));
  if (request == KVM_GET_VCPU_MMAP_SIZE) return 0x3000;
  if (request == KVM_IRQ_LINE && !vcpus_.empty()) {
    vcpus_.rbegin()->second->irq = static_cast<kvm_irq_level*>(argument)->level != 0;
  }
  return 0;
}

Result<int> ScriptedArm64Kernel::ioctl(Fd fd, unsigned long request, void* argument) {
  log.push_back(request);
  if (fail_in_ >= 0 && fail_in_-- == 0) return Error{Code::kernel, "injected failure", error_};
  if (refused_requests.contains(request)) return Error{Code::kernel, "refused", ENOTTY};
  if (fd == system_fd || fd == vm_fd) return on_system(request, argument);
  auto found = vcpus_.find(fd);
  if (found == vcpus_.end()) return Error{Code::kernel, "no such file", EBADF};
  Vcpu& vcpu = *found->second;
  int error = 0;
  switch (request) {
  case KVM_RUN:
    vcpu.monitor.reset(); // the entry is an exception return of the host's
    error = run(vcpu);
    break;
  case get_one_reg:
  case set_one_reg:
    error = one_reg(vcpu, request == set_one_reg, *static_cast<OneReg*>(argument));
    break;
  case set_guest_debug: {
    const auto& asked = *static_cast<GuestDebug*>(argument);
    if ((asked.control & ~known_flags) != 0) {
      error = EINVAL;
    } else {
      vcpu.debug = asked;
    }
    break;
  }
  case KVM_GET_MP_STATE:
    static_cast<kvm_mp_state*>(argument)->mp_state = vcpu.mp_state;
    break;
  case vcpu_init:
    if ((static_cast<VcpuInit*>(argument)->features[0] >> feature_sve & 1) != 0) {
      give_sve(fd, 32);
    }
    break;
  case vcpu_finalize:
    break;
  default:
    error = ENOTTY;
  }
  if (error != 0) return Error{Code::kernel, strerror(error), error};
  return 0;
}

int ScriptedArm64Kernel::one_reg(Vcpu& vcpu, bool write, const OneReg& request) {
  (write ? written : read).push_back(request.id);
  const auto found = vcpu.regs.find(request.id);
  if (found == vcpu.regs.end()) return ENOENT;
  auto* theirs = reinterpret_cast<std::byte*>(request.address); // NOLINT: the interface is so
  Bytes& ours = found->second;
  if (write)
    std::memcpy(ours.data(), theirs, ours.size());
  else
    std::memcpy(theirs, ours.data(), ours.size());
  return 0;
}

void ScriptedArm64Kernel::debug_exit(Vcpu& vcpu, std::uint32_t hsr, std::uint64_t far) {
  vcpu.page().exit_reason = KVM_EXIT_DEBUG;
  const DebugExit exit{hsr, 0, far};
  std::memcpy(&vcpu.page().debug, &exit, sizeof exit);
}

/// To EL1, as the CPU does it.
void ScriptedArm64Kernel::exception(Vcpu& vcpu,
                                    std::uint64_t why,
                                    std::uint64_t back,
                                    std::uint64_t offset) {
  std::uint64_t& now = vcpu.x(reg::pstate);
  const bool lower = exception_level(now) == 0;
  vcpu.x(reg::elr_el1) = back;
  vcpu.x(reg::spsr_el1) = now & spsr_kept;
  if ((vcpu.debug.control & debug_single_step) != 0 && back == vcpu.x(reg::pc))
    vcpu.x(reg::spsr_el1) |= pstate_ss;
  if (why != 0) vcpu.x(reg::esr_el1) = why;
  vcpu.x(reg::pc) = vcpu.x(reg::vbar_el1) + offset + (lower ? 0x400 : (now & 1) * 0x200);
  now = (now & 0xf0000000) | pstate_daif | 5;
}

/// One entry: until an exit. Returns an errno.
int ScriptedArm64Kernel::run(Vcpu& vcpu) {
  kvm_run& page = vcpu.page();
  if (const auto forced = std::exchange(next_exit, {})) {
    page.exit_reason = forced->reason;
    const DebugExit exit{forced->hsr, 0, forced->far};
    std::memcpy(&page.debug, &exit, sizeof exit);
    return 0;
  }
  const bool stepping = (vcpu.debug.control & debug_single_step) != 0 && steps;
  if (std::exchange(vcpu.mmio, false)) { // kvm_handle_mmio_return
    if (vcpu.mmio_load) std::memcpy(&vcpu.x(reg::x(vcpu.mmio_register)), page.mmio.data, 8);
    vcpu.x(reg::pc) += 4;
    vcpu.step_due = stepping && (page.immediate_exit == 0 || pays_steps_twice);
  }
  for (int i = 0; i < most_instructions; ++i) {
    if (page.immediate_exit != 0) return EINTR;
    page.exit_reason = KVM_EXIT_UNKNOWN;
    if (std::exchange(vcpu.step_due, false) && stepping) {
      debug_exit(vcpu, syndrome(0x32));
      return 0;
    }
    if (before_instruction(vcpu)) {
      if (page.exit_reason != KVM_EXIT_UNKNOWN) return 0;
      vcpu.step_due = stepping;
      continue;
    }
    std::uint32_t word = 0;
    const std::uint64_t at = vcpu.x(reg::pc);
    if (at + 4 <= memory_.size()) std::memcpy(&word, memory_.data() + at, sizeof word);
    if (word == 0xd503207f && !vcpu.irq) { // WFI sleeps until a signal comes
      vcpu.x(reg::pc) += 4;
      vcpu.step_due = pays_steps_twice && stepping;
      return EINTR;
    }
    execute(vcpu, word);
    if (page.exit_reason != KVM_EXIT_UNKNOWN) return 0;
    vcpu.step_due = stepping;
  }
  return EINTR;
}

/// True when something came in place of the instruction at pc.
bool ScriptedArm64Kernel::before_instruction(Vcpu& vcpu) {
  constexpr std::uint64_t irq_offset = 0x80;
  const std::uint64_t at = vcpu.x(reg::pc), now = vcpu.x(reg::pstate);
  if (vcpu.irq && ((now & pstate_i) == 0 || !masks_hold)) {
    vcpu.irq = false;
    exception(vcpu, 0, at, irq_offset);
    return true;
  }
  if ((vcpu.debug.control & debug_use_hw) == 0 || !exec_fires) return false;
  for (unsigned n = 0; n < most_pairs; ++n) {
    if ((vcpu.debug.bcr[n] & 1) != 0 && vcpu.debug.bvr[n] == at) {
      debug_exit(vcpu, syndrome(0x30));
      return true;
    }
  }
  return false;
}

} // namespace kdbg::test
