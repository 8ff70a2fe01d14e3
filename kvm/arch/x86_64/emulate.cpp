// Plain instructions carried out here, so that a vCPU gets off a breakpoint instruction without
// the others being held: the instruction need not leave memory, and nobody can run past it. Only
// what is plain in 64-bit code, and only where the CPU would neither fault nor leave a trace in the
// page tables; all else is refused and stepped.
#include "kvm/arch/x86_64/cpu.hpp"

#include <Zydis/Zydis.h>
#include <bit>

namespace kdbg::kvm::x86 {
namespace {

constexpr std::uint64_t cf = 1, pf = 4, af = 16, zf = 64, sf = 128, of = 1u << 11;
constexpr std::uint64_t arithmetic_flags = cf | pf | af | zf | sf | of;
constexpr std::uint64_t cr4_pke = 1u << 22, cr4_cet = 1u << 23, cr4_pks = 1u << 24;

std::uint64_t mask_of(unsigned bytes) {
  return bytes >= 8 ? ~std::uint64_t{0} : (std::uint64_t{1} << (8 * bytes)) - 1;
}

std::uint64_t sign_extended(std::uint64_t value, unsigned bytes) {
  const unsigned unused = 64 - 8 * bytes;
  return static_cast<std::uint64_t>(static_cast<std::int64_t>(value << unused) >> unused);
}

/// The 64-bit register that holds it; nothing for what is no general register, or its second byte.
std::uint64_t* slot_of(Regs& regs, ZydisRegister reg) {
  static constexpr std::uint64_t Regs::*order[] = {&Regs::rax, &Regs::rcx, &Regs::rdx, &Regs::rbx,
                                                   &Regs::rsp, &Regs::rbp, &Regs::rsi, &Regs::rdi,
                                                   &Regs::r8,  &Regs::r9,  &Regs::r10, &Regs::r11,
                                                   &Regs::r12, &Regs::r13, &Regs::r14, &Regs::r15};
  if (reg >= ZYDIS_REGISTER_AH && reg <= ZYDIS_REGISTER_BH) return nullptr;
  const ZydisRegister whole = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg);
  if (whole < ZYDIS_REGISTER_RAX || whole > ZYDIS_REGISTER_R15) return nullptr;
  return &(regs.*order[whole - ZYDIS_REGISTER_RAX]);
}

/// CF, PF, AF, ZF, SF and OF of a + b or a - b, or of a bitwise result (SDM vol. 1, 3.4.3.1).
enum class Operation : std::uint8_t { add, subtract, bitwise };
std::uint64_t
flags_of(Operation how, std::uint64_t a, std::uint64_t b, std::uint64_t result, unsigned bytes) {
  const std::uint64_t sign = std::uint64_t{1} << (8 * bytes - 1), mask = mask_of(bytes);
  std::uint64_t flags = 0;
  if (std::popcount(result & 0xff) % 2 == 0) flags |= pf;
  if ((result & mask) == 0) flags |= zf;
  if ((result & sign) != 0) flags |= sf;
  if (how == Operation::bitwise) return flags;
  if (((a ^ b ^ result) & 0x10) != 0) flags |= af;
  const bool add = how == Operation::add;
  if (add ? (result & mask) < (a & mask) : (a & mask) < (b & mask)) flags |= cf;
  const std::uint64_t overflow = add ? (a ^ result) & (b ^ result) : (a ^ b) & (a ^ result);
  if ((overflow & sign) != 0) flags |= of;
  return flags;
}

/// SDM vol. 2, appendix B.1.4: the low four bits of a conditional jump's opcode.
bool condition(unsigned code, std::uint64_t flags) {
  const bool c = (flags & cf) != 0, z = (flags & zf) != 0, s = (flags & sf) != 0,
             o = (flags & of) != 0, p = (flags & pf) != 0;
  const bool outcomes[] = {o, c, z, c || z, s, p, s != o, z || s != o};
  return outcomes[code >> 1 & 7] != ((code & 1) != 0);
}

/// One instruction at work on a copy of the registers: nothing has happened until it is done.
class Emulation {
public:
  using Reach =
      std::function<std::optional<GuestPhys>(std::uint64_t at, std::size_t length, bool write)>;
  Emulation(const Regs& regs, const Sregs& sregs, GuestMemory& memory, const Reach& reach)
      : regs_(regs), sregs_(sregs), memory_(memory), reach_(reach) {}

  /// False: not plain, nothing has happened.
  bool run(ByteView code) {
    ZydisDecoder decoder;
    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    if (!ZYAN_SUCCESS(
            ZydisDecoderDecodeFull(&decoder, code.data(), code.size(), &decoded_, operands_))) {
      return false;
    }
    constexpr std::uint64_t prefixes = ZYDIS_ATTRIB_HAS_LOCK | ZYDIS_ATTRIB_HAS_REP |
                                       ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE;
    if ((decoded_.attributes & prefixes) != 0) return false;
    accesses_ = accesses(code, regs_, sregs_);
    regs_.rip += decoded_.length;
    regs_.rflags &= ~flag_rf;
    return carry_out() && store();
  }
  const Regs& regs() const { return regs_; }

private:
  unsigned width(unsigned n) const { return operands_[n].size / 8u; }

  /// The memory operand's address: `accesses` lists them in order.
  std::optional<std::uint64_t> address(unsigned n) const {
    std::size_t before = 0;
    for (unsigned i = 0; i < n; ++i) {
      const bool memory = operands_[i].type == ZYDIS_OPERAND_TYPE_MEMORY &&
                          operands_[i].mem.type != ZYDIS_MEMOP_TYPE_AGEN;
      before += memory ? 1 : 0;
    }
    if (before >= accesses_.size()) return {};
    return accesses_[before].address;
  }

  std::optional<std::uint64_t> load(std::uint64_t at, unsigned bytes) const {
    const auto where = reach_(at, bytes, false);
    std::uint64_t value = 0;
    const auto raw = std::as_writable_bytes(std::span(&value, 1)).first(bytes);
    if (!where || memory_.read(*where, raw) != bytes) return {};
    return value;
  }

  std::optional<std::uint64_t> read(unsigned n) {
    const ZydisDecodedOperand& operand = operands_[n];
    switch (operand.type) {
    case ZYDIS_OPERAND_TYPE_IMMEDIATE:
      return operand.imm.value.u;
    case ZYDIS_OPERAND_TYPE_REGISTER: {
      const std::uint64_t* slot = slot_of(regs_, operand.reg.value);
      if (slot == nullptr) return {};
      return *slot & mask_of(width(n));
    }
    case ZYDIS_OPERAND_TYPE_MEMORY: {
      const auto at = address(n);
      return at && width(n) <= 8 ? load(*at, width(n)) : std::nullopt;
    }
    default:
      return {};
    }
  }

  bool write(unsigned n, std::uint64_t value) {
    const ZydisDecodedOperand& operand = operands_[n];
    if (operand.type == ZYDIS_OPERAND_TYPE_MEMORY) {
      const auto at = address(n);
      return at && width(n) <= 8 && hold(*at, value, width(n));
    }
    if (operand.type != ZYDIS_OPERAND_TYPE_REGISTER) return false;
    std::uint64_t* slot = slot_of(regs_, operand.reg.value);
    if (slot == nullptr) return false;
    const std::uint64_t mask = mask_of(width(n));
    // writing 32 bits clears the upper half (SDM vol. 1, 3.4.1.1)
    *slot = width(n) >= 4 ? value & mask : (*slot & ~mask) | (value & mask);
    return true;
  }

  /// Notes the one write that a plain instruction makes.
  bool hold(std::uint64_t at, std::uint64_t value, unsigned bytes) {
    store_at_ = reach_(at, bytes, true);
    stored_ = value;
    store_bytes_ = bytes;
    return store_at_.has_value();
  }

  bool store() {
    if (!store_at_) return true;
    const auto raw = std::as_bytes(std::span(&stored_, 1)).first(store_bytes_);
    return memory_.write(*store_at_, raw) == store_bytes_;
  }

  bool push(std::uint64_t value) {
    regs_.rsp -= 8;
    return hold(regs_.rsp, value, 8);
  }

  bool set_flags(std::uint64_t flags, std::uint64_t kept = 0) {
    regs_.rflags = (regs_.rflags & (~arithmetic_flags | kept)) | (flags & ~kept);
    return true;
  }

  bool arithmetic(Operation how, bool keep, std::optional<std::uint64_t> other = {}) {
    const auto a = read(0);
    const auto b = other ? other : read(1);
    if (!a || !b) return false;
    const std::uint64_t result = how == Operation::add ? *a + *b : *a - *b;
    if (keep && !write(0, result)) return false;
    return set_flags(flags_of(how, *a, *b, result, width(0)), other ? cf : 0);
  }

  template <class F>
  bool bitwise(F combine, bool keep) {
    const auto a = read(0), b = read(1);
    if (!a || !b) return false;
    const std::uint64_t result = combine(*a, *b);
    if (keep && !write(0, result)) return false;
    return set_flags(flags_of(Operation::bitwise, *a, *b, result, width(0)));
  }

  bool copy(bool sign) {
    const auto value = read(1);
    return value && write(0, sign ? sign_extended(*value, width(1)) : *value);
  }

  bool jump() {
    const ZydisDecodedOperand& operand = operands_[0];
    if (operand.type != ZYDIS_OPERAND_TYPE_IMMEDIATE || !operand.imm.is_relative) return false;
    regs_.rip += operand.imm.value.u;
    return true;
  }

  bool stack() {
    switch (decoded_.mnemonic) {
    case ZYDIS_MNEMONIC_PUSH: {
      const auto value = read(0);
      return decoded_.operand_width == 64 && value && push(*value);
    }
    case ZYDIS_MNEMONIC_POP: {
      const auto value = load(regs_.rsp, 8);
      if (decoded_.operand_width != 64 || !value ||
          operands_[0].type != ZYDIS_OPERAND_TYPE_REGISTER) {
        return false;
      }
      regs_.rsp += 8;
      return write(0, *value);
    }
    case ZYDIS_MNEMONIC_CALL: {
      const std::uint64_t next = regs_.rip;
      return jump() && push(next);
    }
    default: { // RET
      const auto target = load(regs_.rsp, 8);
      const bool plain = decoded_.operand_count_visible == 0 &&
                         decoded_.meta.branch_type == ZYDIS_BRANCH_TYPE_NEAR;
      if (!target || !plain || !reach_(*target, 1, false)) return false; // it might fault here
      regs_.rsp += 8;
      regs_.rip = *target;
      return true;
    }
    }
  }

  bool carry_out() {
    switch (decoded_.mnemonic) {
    case ZYDIS_MNEMONIC_NOP:
    case ZYDIS_MNEMONIC_ENDBR64:
      return true;
    case ZYDIS_MNEMONIC_MOV:
    case ZYDIS_MNEMONIC_MOVZX:
      return copy(false);
    case ZYDIS_MNEMONIC_MOVSX:
    case ZYDIS_MNEMONIC_MOVSXD:
      return copy(true);
    case ZYDIS_MNEMONIC_LEA:
      return load_address();
    case ZYDIS_MNEMONIC_ADD:
      return arithmetic(Operation::add, true);
    case ZYDIS_MNEMONIC_SUB:
      return arithmetic(Operation::subtract, true);
    case ZYDIS_MNEMONIC_CMP:
      return arithmetic(Operation::subtract, false);
    case ZYDIS_MNEMONIC_INC:
      return arithmetic(Operation::add, true, 1);
    case ZYDIS_MNEMONIC_DEC:
      return arithmetic(Operation::subtract, true, 1);
    case ZYDIS_MNEMONIC_AND:
      return bitwise([](auto a, auto b) { return a & b; }, true);
    case ZYDIS_MNEMONIC_OR:
      return bitwise([](auto a, auto b) { return a | b; }, true);
    case ZYDIS_MNEMONIC_XOR:
      return bitwise([](auto a, auto b) { return a ^ b; }, true);
    case ZYDIS_MNEMONIC_TEST:
      return bitwise([](auto a, auto b) { return a & b; }, false);
    case ZYDIS_MNEMONIC_PUSH:
    case ZYDIS_MNEMONIC_POP:
    case ZYDIS_MNEMONIC_CALL:
    case ZYDIS_MNEMONIC_RET:
      return stack();
    case ZYDIS_MNEMONIC_JMP:
      return jump();
    default:
      return jump_if();
    }
  }

  bool load_address() {
    if (decoded_.address_width != 64) return false;
    ZyanU64 at = 0;
    ZydisRegisterContext values{};
    for (int i = 0; i < 16; ++i) {
      const auto reg = static_cast<ZydisRegister>(ZYDIS_REGISTER_RAX + i);
      values.values[reg] = *slot_of(regs_, reg);
    }
    const std::uint64_t start = regs_.rip - decoded_.length;
    if (!ZYAN_SUCCESS(ZydisCalcAbsoluteAddressEx(&decoded_, &operands_[1], start, &values, &at))) {
      return false;
    }
    return write(0, at);
  }

  bool jump_if() {
    if (decoded_.meta.category != ZYDIS_CATEGORY_COND_BR) return false;
    const bool short_form = decoded_.opcode_map == ZYDIS_OPCODE_MAP_DEFAULT &&
                            decoded_.opcode >= 0x70 && decoded_.opcode <= 0x7f;
    const bool near_form = decoded_.opcode_map == ZYDIS_OPCODE_MAP_0F && decoded_.opcode >= 0x80 &&
                           decoded_.opcode <= 0x8f;
    if (!short_form && !near_form) return false; // loop and jrcxz
    return !condition(decoded_.opcode & 0xf, regs_.rflags) || jump();
  }

  Regs regs_;
  const Sregs& sregs_;
  GuestMemory& memory_;
  const Reach& reach_;
  ZydisDecodedInstruction decoded_{};
  ZydisDecodedOperand operands_[ZYDIS_MAX_OPERAND_COUNT]{};
  std::vector<Access> accesses_;
  std::optional<GuestPhys> store_at_;
  std::uint64_t stored_ = 0;
  unsigned store_bytes_ = 0;
};

} // namespace

/// Where an access of these bytes goes, if the CPU would neither fault on it nor note it in the
/// page tables.
std::optional<GuestPhys> X86Cpu::reach(std::uint64_t at, std::size_t length, bool write) {
  const std::uint64_t cr4 = sregs_->cr4;
  auto where = translate(Address{at});
  if (!where || (where->page_size != 0 && (at & 0xfff) + length > 0x1000)) return {};
  const bool keyed = (cr4 & cr4_pks) != 0 || (where->user && (cr4 & cr4_pke) != 0);
  const bool user = sregs_->ss.dpl == 3;
  const bool kept_out = user ? !where->user : where->user && (cr4 & cr4_smap) != 0;
  if (keyed || kept_out || !where->accessed) return {};
  if (write && (!where->writable || !where->dirty)) return {};
  return where->physical;
}

Result<bool> X86Cpu::emulate(ByteView code, const WriteFilter& may_write) {
  TRY(load_regs());
  TRY(load_sregs());
  const bool alignment_checked = sregs_->ss.dpl == 3 && (regs_->rflags & flag_ac) != 0;
  const bool due = trap_due_ || breakpoint_due_ || sti_shadow_due_ || guest_trap_flag();
  // Control-flow enforcement keeps state that we do not see: shadow stacks, an expected endbr.
  const bool enforced = (sregs_->cr4 & cr4_cet) != 0;
  if (code_mode(*sregs_) != CodeMode::bits64 || due || enforced || alignment_checked) return false;
  const Emulation::Reach reach_to = [&](std::uint64_t at, std::size_t length, bool write) {
    auto where = reach(at, length, write);
    return where && write && !may_write(*where, length) ? std::nullopt : where;
  };
  Emulation emulation(*regs_, *sregs_, memory_, reach_to);
  if (!emulation.run(code)) return false;
  regs_ = emulation.regs();
  regs_dirty_ = true;
  return true;
}

} // namespace kdbg::kvm::x86
