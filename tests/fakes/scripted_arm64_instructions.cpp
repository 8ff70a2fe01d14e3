// The instructions that the scripted arm64 vCPU knows. What it does not know is undefined.
#include "kvm/arch/arm64/system_registers.hpp"
#include "tests/fakes/scripted_arm64_kernel.hpp"

#include <cstring>

namespace kdbg::test {

using namespace kvm;
using namespace kvm::arm64;

void ScriptedArm64Kernel::execute(Vcpu& vcpu, std::uint32_t word) {
  if (execute_system(vcpu, word) || execute_branch(vcpu, word) || execute_memory(vcpu, word)) {
    return;
  }
  std::uint64_t& at = vcpu.x(reg::pc);
  const unsigned rd = word & 31, rn = word >> 5 & 31;
  if ((word & 0xff800000) == 0xd2800000 && rd != 31) { // MOVZ
    vcpu.x(reg::x(rd)) = std::uint64_t{word >> 5 & 0xffff} << (16 * (word >> 21 & 3));
  } else if ((word & 0xffc00000) == 0x91000000 && rd != 31 && rn != 31) { // ADD
    vcpu.x(reg::x(rd)) = vcpu.x(reg::x(rn)) + (word >> 10 & 0xfff);
  } else if ((word & 0xffc00000) == 0xd1000000 && rd != 31 && rn != 31) { // SUB
    vcpu.x(reg::x(rd)) = vcpu.x(reg::x(rn)) - (word >> 10 & 0xfff);
  } else {
    exception(vcpu, syndrome(0), at, 0); // undefined
    return;
  }
  at += 4;
}

bool ScriptedArm64Kernel::execute_system(Vcpu& vcpu, std::uint32_t word) {
  std::uint64_t &at = vcpu.x(reg::pc), &now = vcpu.x(reg::pstate);
  const unsigned rt = word & 31;
  const std::uint64_t masks = std::uint64_t{word >> 8 & 15} << 6;
  const bool debugged = vcpu.debug.control != 0;
  if ((word & 0xffe0001f) == 0xd4200000) { // BRK
    const std::uint32_t why = syndrome(0x3c, word >> 5 & 0xffff);
    if (debugged && brk_exits) {
      debug_exit(vcpu, why);
    } else {
      exception(vcpu, why, at, 0);
    }
    return true;
  }
  if ((word & 0xffe0001f) == 0xd4000001) { // SVC
    exception(vcpu, syndrome(0x15, word >> 5 & 0xffff), at + 4, 0);
    return true;
  }
  if (word == 0xd69f03e0) { // ERET
    at = vcpu.x(reg::elr_el1);
    now = vcpu.x(reg::spsr_el1) & ~pstate_ss;
    return true;
  }
  if ((word >> 22) != 0x354) return false; // the system class
  at += 4;
  if ((word & 0xffffffe0) == 0xd53b4220) {
    vcpu.x(reg::x(rt)) = now & pstate_daif;
  } else if ((word & 0xffffffe0) == 0xd51b4220) {
    now = (now & ~pstate_daif) | (vcpu.x(reg::x(rt)) & pstate_daif);
  } else if ((word & 0xfffff0ff) == 0xd50340df) {
    now |= masks;
  } else if ((word & 0xfffff0ff) == 0xd50340ff) {
    now &= ~masks;
  } else if ((word & 0xfff00000) == 0xd5100000 || (word & 0xfff00000) == 0xd5300000) {
    const std::uint64_t id = sized(8) | 0x00130000 | (word >> 5 & 0x7fff) | 0x8000;
    if (auto found = vcpu.regs.find(id); found != vcpu.regs.end() && rt != 31) {
      std::uint64_t& value = vcpu.x(id); // the guest's own, also while it is debugged
      if ((word >> 21 & 1) != 0)
        vcpu.x(reg::x(rt)) = value;
      else
        value = vcpu.x(reg::x(rt));
    }
  }
  return true;
}

bool ScriptedArm64Kernel::execute_branch(Vcpu& vcpu, std::uint32_t word) {
  std::uint64_t& at = vcpu.x(reg::pc);
  const auto to = [&](std::int32_t words) {
    at += static_cast<std::uint64_t>(std::int64_t{words} * 4);
  };
  if ((word & 0xfc000000) == 0x14000000) { // B
    to(static_cast<std::int32_t>(word << 6) >> 6);
    return true;
  }
  if ((word & 0x7e000000) != 0x34000000) return false; // CBZ, CBNZ
  std::uint64_t value = (word & 31) == 31 ? 0 : vcpu.x(reg::x(word & 31));
  if (word >> 31 == 0) value &= 0xffffffff;
  const bool taken = (value != 0) == ((word >> 24 & 1) != 0);
  to(taken ? static_cast<std::int32_t>(word << 8) >> 13 : 1);
  return true;
}

bool ScriptedArm64Kernel::watched(Vcpu& vcpu, std::uint64_t at, std::uint64_t length, bool write) {
  if ((vcpu.debug.control & debug_use_hw) == 0 || !watches_fire) return false;
  for (unsigned n = 0; n < most_pairs; ++n) {
    const std::uint64_t control = vcpu.debug.wcr[n], value = vcpu.debug.wvr[n];
    if ((control & 1) == 0 || (control >> 3 & (write ? 2 : 1)) == 0) continue;
    const std::uint64_t mask = (std::uint64_t{1} << (control >> 24 & 31)) - 1;
    for (std::uint64_t byte = at; byte < at + length; ++byte) {
      const bool hit = mask != 0 ? ((byte ^ value) & ~mask) == 0
                                 : (byte & ~7ull) == value && (control >> (5 + byte % 8) & 1) != 0;
      if (!hit) continue;
      const std::uint32_t rest = (write ? 1u << 6 : 0) | (far_valid ? 0 : 1u << 10) | 0x22;
      debug_exit(vcpu, syndrome(0x34, rest), far_valid ? at - reported_below : 0);
      return true;
    }
  }
  return false;
}

void ScriptedArm64Kernel::access(
    Vcpu& vcpu, std::uint64_t at, unsigned length, bool load, unsigned rt) {
  kvm_run& page = vcpu.page();
  if (watched(vcpu, at, length, !load)) return;
  std::uint64_t value = rt == 31 ? 0 : vcpu.x(reg::x(rt));
  if (at + length > memory_.size()) {
    page.exit_reason = KVM_EXIT_MMIO;
    page.mmio.phys_addr = at;
    page.mmio.len = length;
    page.mmio.is_write = load ? 0 : 1;
    std::memset(page.mmio.data, 0, sizeof page.mmio.data);
    if (!load) std::memcpy(page.mmio.data, &value, length);
    vcpu.mmio = true;
    vcpu.mmio_load = load && rt != 31;
    vcpu.mmio_register = rt;
    return;
  }
  if (load) {
    value = 0;
    std::memcpy(&value, memory_.data() + at, length);
    if (rt != 31) vcpu.x(reg::x(rt)) = value;
  } else {
    std::memcpy(memory_.data() + at, &value, length);
  }
  vcpu.x(reg::pc) += 4;
}

bool ScriptedArm64Kernel::execute_memory(Vcpu& vcpu, std::uint32_t word) {
  const unsigned rt = word & 31, rn = word >> 5 & 31, size = word >> 30;
  const std::uint64_t base = vcpu.x(rn == 31 ? reg::sp_el1 : reg::x(rn));
  const unsigned length = 1u << size;
  if ((word & 0x3f800000) == 0x39000000) { // LDR, STR with an unsigned offset
    access(vcpu, base + (std::uint64_t{word >> 10 & 0xfff} << size), length, (word >> 22 & 1) != 0,
           rt);
    return true;
  }
  if ((word & 0x3fe00000) == 0x08400000) { // LDXR
    access(vcpu, base, length, true, rt);
    vcpu.monitor = base;
    return true;
  }
  if ((word & 0x3fe00000) == 0x08000000) { // STXR
    const unsigned rs = word >> 16 & 31;
    const bool succeeds = vcpu.monitor == base;
    vcpu.monitor.reset();
    if (rs != 31) vcpu.x(reg::x(rs)) = succeeds ? 0 : 1;
    if (succeeds) {
      access(vcpu, base, length, false, rt);
    } else {
      vcpu.x(reg::pc) += 4;
    }
    return true;
  }
  return false;
}

} // namespace kdbg::test
