#include "tests/fakes/scripted_loongarch_kernel.hpp"

#include "kvm/arch/loongarch64/translate.hpp"

#include <cerrno>

namespace kdbg::test {

using namespace kvm;
using namespace kvm::loongarch64;

namespace {

constexpr std::uint64_t interrupt_code = 0, load_invalid = 1, fetch_fault = 3, illegal = 0xd;

unsigned bits(std::uint32_t word, unsigned first, unsigned count) {
  return word >> first & ((1u << count) - 1);
}
std::uint64_t extend(std::uint64_t value, unsigned count) {
  return static_cast<std::uint64_t>(static_cast<std::int64_t>(value << (64 - count)) >>
                                    (64 - count));
}

} // namespace

void ScriptedLoongArchKernel::reset(Vcpu& vcpu) {
  vcpu.regs[loongarch64::csr(Csr::crmd)] = crmd_da;
  vcpu.regs[debug_instruction] = 0x002b8000 | breakpoint_code;
}

bool ScriptedLoongArchKernel::has_register(std::uint64_t id) const {
  if (id == debug_instruction) return breakpoint_code != 0;
  return (id & type_mask) == type_csr && (id & 0xffff) >> 3 < 0x200;
}

Result<int> ScriptedLoongArchKernel::other(Vcpu& vcpu, unsigned long request, void* argument) {
  if (request == get_regs || request == set_regs) {
    auto& theirs = *static_cast<Regs*>(argument);
    for (unsigned n = 0; n < 32; ++n) {
      auto& ours = vcpu.regs[gpr(n)];
      (request == set_regs ? ours : theirs.gpr[n]) = request == set_regs ? theirs.gpr[n] : ours;
    }
    (request == set_regs ? pc(vcpu) : theirs.pc) = request == set_regs ? theirs.pc : pc(vcpu);
    return 0;
  }
  if (request != get_fpu && request != set_fpu) return Error{Code::kernel, "no such ioctl", EINVAL};
  auto& theirs = *static_cast<Fpu*>(argument);
  auto& high = vector_high_[&vcpu];
  if (request == set_fpu) {
    vcpu.regs[fcc_id] = theirs.fcc;
    vcpu.regs[fcsr_id] = theirs.fcsr;
  } else {
    theirs.fcc = vcpu.regs[fcc_id];
    theirs.fcsr = static_cast<std::uint32_t>(vcpu.regs[fcsr_id]);
  }
  for (unsigned n = 0; n < 32; ++n) {
    if (request == set_fpu) {
      vcpu.regs[fpr(n)] = theirs.fpr[n][0];
      high[n] = theirs.fpr[n][1];
    } else {
      theirs.fpr[n][0] = vcpu.regs[fpr(n)];
      theirs.fpr[n][1] = high[n];
    }
  }
  return 0;
}

/// What a CPU does on the way into a handler.
void ScriptedLoongArchKernel::trap(Vcpu& vcpu, std::uint64_t exception) {
  auto& crmd = vcpu.regs[loongarch64::csr(Csr::crmd)];
  vcpu.regs[loongarch64::csr(Csr::prmd)] = crmd & (crmd_plv | crmd_ie);
  crmd &= ~(crmd_plv | crmd_ie);
  vcpu.regs[loongarch64::csr(Csr::era)] = pc(vcpu);
  vcpu.regs[loongarch64::csr(Csr::estat)] = exception << 16;
  const std::uint64_t spacing = vcpu.regs[loongarch64::csr(Csr::ecfg)] >> 16 & 7;
  pc(vcpu) =
      vcpu.regs[loongarch64::csr(Csr::eentry)] + (spacing == 0 ? 0 : exception * 4 << spacing);
  vcpu.reservation.reset();
}

void ScriptedLoongArchKernel::interrupt(Fd fd) {
  Vcpu& target = vcpu(fd);
  if ((target.regs[loongarch64::csr(Csr::crmd)] & crmd_ie) != 0) trap(target, interrupt_code);
}

void ScriptedLoongArchKernel::leave_exception(Vcpu& vcpu) {
  auto& crmd = vcpu.regs[loongarch64::csr(Csr::crmd)];
  auto& refill = vcpu.regs[loongarch64::csr(Csr::tlbrera)];
  if ((crmd & crmd_plv) != 0) return trap(vcpu, ecode_privilege);
  const bool from_refill = (refill & tlbrera_is_refill) != 0;
  const std::uint64_t saved = vcpu.regs[loongarch64::csr(from_refill ? Csr::tlbrprmd : Csr::prmd)];
  crmd = (crmd & ~(crmd_plv | crmd_ie)) | (saved & (crmd_plv | crmd_ie));
  if (from_refill) crmd = (crmd & ~crmd_da) | crmd_pg;
  pc(vcpu) = from_refill ? refill & ~std::uint64_t{3} : vcpu.regs[loongarch64::csr(Csr::era)];
  refill &= ~tlbrera_is_refill;
}

/// kvm_handle_hypercall: the debugger's exits with pc at it, an unknown one answers -1.
void ScriptedLoongArchKernel::hypercall(Vcpu& vcpu, std::uint32_t code) {
  if (code == breakpoint_code && breakpoint_exits && debugging(vcpu)) {
    vcpu.page().exit_reason = KVM_EXIT_DEBUG;
    return;
  }
  constexpr std::uint32_t service = 0x100;
  set(vcpu, 4, code == service ? 0 : ~std::uint64_t{0});
  pc(vcpu) += 4;
}

std::optional<std::uint64_t> ScriptedLoongArchKernel::physical(Vcpu& vcpu, std::uint64_t at) const {
  const auto csr_of = [&](Csr which, unsigned after = 0) {
    return vcpu.regs[loongarch64::csr(which, after)];
  };
  Paging paging{csr_of(Csr::crmd), csr_of(Csr::pgdl), csr_of(Csr::pgdh),
                csr_of(Csr::pwcl), csr_of(Csr::pwch), {}};
  for (unsigned n = 0; n < 4; ++n) {
    paging.dmw[n] = csr_of(Csr::dmw0, n);
  }
  const Ram memory({{0, memory_}});
  auto found = walk(paging, memory, at, Detail::none);
  if (!found) return {};
  return found->physical.value;
}

void ScriptedLoongArchKernel::branch(Vcpu& vcpu, std::uint32_t word) {
  const unsigned operation = bits(word, 26, 6);
  const std::uint64_t left = get(vcpu, bits(word, 5, 5)), right = get(vcpu, bits(word, 0, 5));
  const std::uint64_t short_offset = extend(bits(word, 10, 16), 16) * 4;
  const std::uint64_t middle = extend(bits(word, 10, 16) | bits(word, 0, 5) << 16, 21) * 4;
  const std::uint64_t far = extend(bits(word, 10, 16) | bits(word, 0, 10) << 16, 26) * 4;
  const auto signed_less = static_cast<std::int64_t>(left) < static_cast<std::int64_t>(right);
  std::uint64_t& at = pc(vcpu);
  const std::uint64_t next = at + 4;
  switch (operation) {
  case 0x10:
  case 0x11:
    at = (left == 0) == (operation == 0x10) ? at + middle : next;
    return;
  case 0x12: {
    const bool flag = (vcpu.regs[fcc_id] >> 8 * bits(word, 5, 3) & 1) != 0;
    at = flag == (bits(word, 8, 2) == 1) ? at + middle : next;
    return;
  }
  case 0x13:
    at = left + short_offset;
    return set(vcpu, bits(word, 0, 5), next);
  case 0x14:
    at += far;
    return;
  case 0x15:
    at += far;
    return set(vcpu, 1, next);
  default: {
    const bool conditions[] = {left == right, left != right, signed_less,
                               !signed_less,  left < right,  left >= right};
    at = conditions[operation - 0x16] ? at + short_offset : next;
  }
  }
}

/// ld.d, st.d, ll.d, sc.d and amadd.d.
void ScriptedLoongArchKernel::access(Vcpu& vcpu, std::uint32_t word) {
  const unsigned top = word >> 24, rd = bits(word, 0, 5);
  const bool linked = top == 0x22 || top == 0x23, atomic = top == 0x38;
  const std::uint64_t offset = linked   ? extend(bits(word, 10, 14), 14) * 4
                               : atomic ? 0
                                        : extend(bits(word, 10, 12), 12);
  const std::uint64_t address = get(vcpu, bits(word, 5, 5)) + offset;
  const auto where = physical(vcpu, address);
  if (!where) return trap(vcpu, load_invalid);
  pc(vcpu) += 4;
  if (!is_memory(*where)) return exit_mmio(vcpu, *where, get(vcpu, rd), 8);
  const std::uint64_t old = load<std::uint64_t>(*where);
  if (atomic) {
    store(*where, old + get(vcpu, bits(word, 10, 5)), 8);
    set(vcpu, rd, old);
  } else if (top == 0x23) {
    const bool held = vcpu.reservation == *where;
    if (held) store(*where, get(vcpu, rd), 8);
    vcpu.reservation.reset();
    set(vcpu, rd, held ? 1 : 0);
  } else if (top == 0x29) {
    store(*where, get(vcpu, rd), 8);
  } else {
    if (top == 0x22) vcpu.reservation = *where;
    set(vcpu, rd, old);
  }
}

void ScriptedLoongArchKernel::step(Vcpu& vcpu) {
  std::uint64_t& at = pc(vcpu);
  const auto where = physical(vcpu, at);
  if (!where || !is_memory(*where)) return trap(vcpu, fetch_fault);
  const auto word = load<std::uint32_t>(*where);
  const unsigned operation = bits(word, 26, 6), ten = bits(word, 22, 10),
                 seventeen = bits(word, 15, 17);
  if (operation >= 0x10 && operation <= 0x1b) return branch(vcpu, word);
  if (word == 0x06483800) return leave_exception(vcpu);
  if (seventeen == 0x56) return trap(vcpu, ecode_system_call);
  if (seventeen == 0x54) return trap(vcpu, ecode_breakpoint);
  if (seventeen == 0x57) return hypercall(vcpu, bits(word, 0, 15));
  const bool linked = word >> 24 == 0x22 || word >> 24 == 0x23;
  constexpr unsigned amadd_d = 0x38618000 >> 15, ld_d = 0xa3, st_d = 0xa7, addi_d = 0xb;
  if (linked || seventeen == amadd_d || ten == ld_d || ten == st_d) return access(vcpu, word);
  if (ten != addi_d) return trap(vcpu, illegal);
  set(vcpu, bits(word, 0, 5), get(vcpu, bits(word, 5, 5)) + extend(bits(word, 10, 12), 12));
  at += 4;
}

} // namespace kdbg::test
