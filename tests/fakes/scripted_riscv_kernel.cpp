#include "tests/fakes/scripted_riscv_kernel.hpp"

#include "kvm/arch/riscv64/translate.hpp"
#include "kvm/memory.hpp"

namespace kdbg::test {

using namespace kvm;
using namespace kvm::riscv64;

namespace {

constexpr std::uint64_t illegal = 2, fetch_fault = 12, load_fault = 13, store_fault = 15;

std::uint64_t signed_bits(std::uint32_t word, unsigned first, unsigned count) {
  const std::uint64_t value = std::uint64_t{word} << (64 - first - count);
  return static_cast<std::uint64_t>(static_cast<std::int64_t>(value) >> (64 - count));
}
unsigned bits(std::uint32_t word, unsigned first, unsigned count) {
  return word >> first & ((1u << count) - 1);
}

} // namespace

void ScriptedRiscvKernel::reset(Vcpu& vcpu) {
  vcpu.regs[core_mode] = mode_supervisor;
}

bool ScriptedRiscvKernel::has_register(std::uint64_t id) const {
  const std::uint64_t number = id & 0xffff;
  if ((id & ~std::uint64_t{0xffff}) == (reg_u64 | type_core)) return number <= 32;
  if ((id & ~std::uint64_t{0xffff}) == (reg_u64 | type_csr)) return number <= 10;
  if ((id & ~std::uint64_t{0xffff}) == (reg_u64 | type_fp_d))
    return has_floating_point && number < 32;
  return id == fp_fcsr && has_floating_point;
}

/// Privileged architecture: what a CPU does on the way into a handler.
void ScriptedRiscvKernel::trap(Vcpu& vcpu, std::uint64_t cause, std::uint64_t value) {
  auto& status = vcpu.regs[riscv64::csr(Csr::sstatus)];
  const std::uint64_t enabled = status & sstatus_sie;
  status &= ~(sstatus_sie | sstatus_spie | sstatus_spp);
  if (enabled != 0) status |= sstatus_spie;
  if (vcpu.regs[core_mode] == mode_supervisor) status |= sstatus_spp;
  vcpu.regs[riscv64::csr(Csr::sepc)] = pc(vcpu);
  vcpu.regs[riscv64::csr(Csr::scause)] = cause;
  vcpu.regs[riscv64::csr(Csr::stval)] = value;
  vcpu.regs[core_mode] = mode_supervisor;
  pc(vcpu) = vcpu.regs[riscv64::csr(Csr::stvec)] & ~std::uint64_t{3};
  vcpu.reservation.reset();
}

void ScriptedRiscvKernel::interrupt(Fd fd) {
  Vcpu& target = vcpu(fd);
  if ((target.regs[riscv64::csr(Csr::sstatus)] & sstatus_sie) == 0) return;
  trap(target, 1ull << 63 | 5, 0);
}

std::optional<std::uint64_t> ScriptedRiscvKernel::physical(Vcpu& vcpu, std::uint64_t at) const {
  const Ram memory({{0, memory_}});
  auto found = walk(vcpu.regs[riscv64::csr(Csr::satp)], memory, at, Detail::none);
  if (!found) return {};
  return found->physical.value;
}

void ScriptedRiscvKernel::breakpoint(Vcpu& vcpu, bool exits) {
  if (exits && debugging(vcpu)) {
    vcpu.page().exit_reason = KVM_EXIT_DEBUG;
  } else {
    trap(vcpu, cause_breakpoint, pc(vcpu));
  }
}

/// c.nop, c.addi, c.j, c.beqz, c.bnez, c.jr, c.jalr, c.mv, c.ebreak.
void ScriptedRiscvKernel::compressed(Vcpu& vcpu, std::uint32_t word) {
  std::uint64_t& at = pc(vcpu);
  const unsigned rd = bits(word, 7, 5), kind = bits(word, 13, 3) << 2 | bits(word, 0, 2);
  const unsigned rs2 = bits(word, 2, 5);
  if (kind == 0b00001) {
    const std::uint64_t value = (bits(word, 12, 1) != 0 ? ~std::uint64_t{31} : 0) | rs2;
    set(vcpu, rd, get(vcpu, rd) + value);
    at += 2;
  } else if (kind == 0b10101) {
    std::uint64_t offset = bits(word, 3, 3) << 1 | bits(word, 11, 1) << 4 | bits(word, 2, 1) << 5 |
                           bits(word, 7, 1) << 6 | bits(word, 6, 1) << 7 | bits(word, 9, 2) << 8 |
                           bits(word, 8, 1) << 10;
    if (bits(word, 12, 1) != 0) offset |= ~std::uint64_t{0x7ff};
    at += offset;
  } else if (kind == 0b11001 || kind == 0b11101) {
    std::uint64_t offset = bits(word, 3, 2) << 1 | bits(word, 10, 2) << 3 | bits(word, 2, 1) << 5 |
                           bits(word, 5, 2) << 6;
    if (bits(word, 12, 1) != 0) offset |= ~std::uint64_t{0xff};
    const bool zero = get(vcpu, 8 + bits(word, 7, 3)) == 0;
    at += zero == (kind == 0b11001) ? offset : 2;
  } else if (kind == 0b10010 && rs2 == 0 && rd == 0) {
    breakpoint(vcpu, compressed_exits);
  } else if (kind == 0b10010 && rs2 == 0) {
    const std::uint64_t target = get(vcpu, rd);
    if (bits(word, 12, 1) != 0) set(vcpu, 1, at + 2);
    at = target;
  } else if (kind == 0b10010 && bits(word, 12, 1) == 0) {
    set(vcpu, rd, get(vcpu, rs2));
    at += 2;
  } else {
    trap(vcpu, illegal, word);
  }
}

void ScriptedRiscvKernel::access(Vcpu& vcpu, std::uint32_t word) {
  const bool stores = (word & 0x7f) == 0x23;
  const std::uint64_t offset =
      stores ? (signed_bits(word, 25, 7) << 5 | bits(word, 7, 5)) : signed_bits(word, 20, 12);
  const std::uint64_t address = get(vcpu, bits(word, 15, 5)) + offset;
  const unsigned bytes = 1u << (bits(word, 12, 3) & 3);
  const auto where = physical(vcpu, address);
  if (!where) return trap(vcpu, stores ? store_fault : load_fault, address);
  if (!is_memory(*where)) return exit_mmio(vcpu, *where, get(vcpu, bits(word, 20, 5)), bytes);
  if (stores) {
    store(*where, get(vcpu, bits(word, 20, 5)), bytes);
  } else {
    set(vcpu, bits(word, 7, 5), ScriptedSoftKernel::load(*where, bytes));
  }
  pc(vcpu) += 4;
}

/// lr, sc and amoadd.
void ScriptedRiscvKernel::atomic(Vcpu& vcpu, std::uint32_t word) {
  const unsigned rd = bits(word, 7, 5), bytes = 1u << bits(word, 12, 3);
  const std::uint64_t address = get(vcpu, bits(word, 15, 5)),
                      operand = get(vcpu, bits(word, 20, 5));
  const auto where = physical(vcpu, address);
  if (!where || !is_memory(*where)) return trap(vcpu, store_fault, address);
  const std::uint64_t old = ScriptedSoftKernel::load(*where, bytes);
  switch (bits(word, 27, 5)) {
  case 2:
    vcpu.reservation = *where;
    set(vcpu, rd, old);
    break;
  case 3: {
    const bool held = vcpu.reservation == *where;
    if (held) store(*where, operand, bytes);
    vcpu.reservation.reset();
    set(vcpu, rd, held ? 0 : 1);
    break;
  }
  case 0:
    store(*where, old + operand, bytes);
    set(vcpu, rd, old);
    break;
  default:
    return trap(vcpu, illegal, word);
  }
  pc(vcpu) += 4;
}

void ScriptedRiscvKernel::system(Vcpu& vcpu, std::uint32_t word) {
  const bool supervisor = vcpu.regs[core_mode] == mode_supervisor;
  auto& status = vcpu.regs[riscv64::csr(Csr::sstatus)];
  switch (word) {
  case 0x00000073:
    if (!supervisor) return trap(vcpu, 8, 0);
    set(vcpu, 10, ~std::uint64_t{1}); // the hypervisor's answer: SBI_ERR_NOT_SUPPORTED
    pc(vcpu) += 4;
    return;
  case 0x00100073:
    return breakpoint(vcpu, ebreak_exits);
  case 0x10200073:
    if (!supervisor) return trap(vcpu, illegal, word);
    vcpu.regs[core_mode] = (status & sstatus_spp) != 0 ? mode_supervisor : mode_user;
    status = (status & ~(sstatus_spp | sstatus_sie)) |
             ((status & sstatus_spie) != 0 ? sstatus_sie : 0) | sstatus_spie;
    pc(vcpu) = vcpu.regs[riscv64::csr(Csr::sepc)];
    return;
  default:
    return trap(vcpu, illegal, word);
  }
}

void ScriptedRiscvKernel::step(Vcpu& vcpu) {
  std::uint64_t& at = pc(vcpu);
  const auto where = physical(vcpu, at);
  if (!where || !is_memory(*where)) return trap(vcpu, fetch_fault, at);
  const auto word = static_cast<std::uint32_t>(ScriptedSoftKernel::load(*where, 4));
  if ((word & 3) != 3) return compressed(vcpu, word & 0xffff);
  const unsigned rd = bits(word, 7, 5), kind = bits(word, 12, 3);
  const std::uint64_t left = get(vcpu, bits(word, 15, 5)), right = get(vcpu, bits(word, 20, 5));
  switch (word & 0x7f) {
  case 0x13: // addi
    if (kind != 0) return trap(vcpu, illegal, word);
    set(vcpu, rd, left + signed_bits(word, 20, 12));
    at += 4;
    return;
  case 0x33: // add
    set(vcpu, rd, left + right);
    at += 4;
    return;
  case 0x03:
  case 0x23:
    return access(vcpu, word);
  case 0x2f:
    return atomic(vcpu, word);
  case 0x63: {
    const bool less = (kind & 2) != 0
                          ? left < right
                          : static_cast<std::int64_t>(left) < static_cast<std::int64_t>(right);
    const bool base = (kind & 4) != 0 ? less : left == right;
    const std::uint64_t offset = signed_bits(word, 31, 1) << 12 | bits(word, 7, 1) << 11 |
                                 bits(word, 25, 6) << 5 | bits(word, 8, 4) << 1;
    at += base != ((kind & 1) != 0) ? offset : 4;
    return;
  }
  case 0x6f: {
    const std::uint64_t offset = signed_bits(word, 31, 1) << 20 | bits(word, 12, 8) << 12 |
                                 bits(word, 20, 1) << 11 | bits(word, 21, 10) << 1;
    set(vcpu, rd, at + 4);
    at += offset;
    return;
  }
  case 0x67: {
    const std::uint64_t target = (left + signed_bits(word, 20, 12)) & ~std::uint64_t{1};
    set(vcpu, rd, at + 4);
    at = target;
    return;
  }
  case 0x73:
    return system(vcpu, word);
  default:
    return trap(vcpu, illegal, word);
  }
}

} // namespace kdbg::test
