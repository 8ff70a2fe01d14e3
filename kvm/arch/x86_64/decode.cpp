#include "kvm/arch/x86_64/decode.hpp"

#include <Zydis/Zydis.h>
#include <array>

namespace kdbg::kvm::x86 {
namespace {

constexpr std::uint8_t vector_debug = 1, vector_invalid_opcode = 6;

ZydisDecoder decoder_for(CodeMode mode) {
  ZydisDecoder decoder;
  switch (mode) {
  case CodeMode::bits64:
    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    break;
  case CodeMode::bits32:
    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32);
    break;
  case CodeMode::bits16:
    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_16);
    break;
  }
  return decoder;
}

Kind kind_of(ZydisMnemonic mnemonic) {
  switch (mnemonic) {
  case ZYDIS_MNEMONIC_PUSHF:
  case ZYDIS_MNEMONIC_PUSHFD:
  case ZYDIS_MNEMONIC_PUSHFQ:
    return Kind::pushf;
  case ZYDIS_MNEMONIC_POPF:
  case ZYDIS_MNEMONIC_POPFD:
  case ZYDIS_MNEMONIC_POPFQ:
    return Kind::popf;
  case ZYDIS_MNEMONIC_IRET:
  case ZYDIS_MNEMONIC_IRETD:
  case ZYDIS_MNEMONIC_IRETQ:
    return Kind::iret;
  case ZYDIS_MNEMONIC_SYSCALL:
    return Kind::syscall;
  case ZYDIS_MNEMONIC_SYSRET:
    return Kind::sysret;
  case ZYDIS_MNEMONIC_INT:
  case ZYDIS_MNEMONIC_INT1:
  case ZYDIS_MNEMONIC_INT3:
  case ZYDIS_MNEMONIC_INTO:
    return Kind::interrupt;
  case ZYDIS_MNEMONIC_STI:
    return Kind::sti;
  case ZYDIS_MNEMONIC_HLT:
    return Kind::hlt;
  default:
    return Kind::plain;
  }
}

bool loads_ss(const ZydisDecodedInstruction& instruction, const ZydisDecodedOperand* operands) {
  for (std::uint8_t i = 0; i < instruction.operand_count; ++i) {
    const auto& operand = operands[i];
    if (operand.type == ZYDIS_OPERAND_TYPE_REGISTER && operand.reg.value == ZYDIS_REGISTER_SS &&
        (operand.actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) != 0) {
      return true;
    }
  }
  return false;
}

/// By the hardware numbering that both Zydis' register classes and ours follow.
std::uint64_t general(const Regs& regs, std::int8_t number) {
  const std::uint64_t values[] = {regs.rax, regs.rcx, regs.rdx, regs.rbx, regs.rsp, regs.rbp,
                                  regs.rsi, regs.rdi, regs.r8,  regs.r9,  regs.r10, regs.r11,
                                  regs.r12, regs.r13, regs.r14, regs.r15};
  return number < 0 ? 0 : values[static_cast<std::size_t>(number) & 15];
}

std::uint64_t register_value(ZydisRegister reg, const Regs& regs) {
  if (reg == ZYDIS_REGISTER_NONE) return 0;
  const std::uint64_t full = general(regs, ZydisRegisterGetId(reg));
  switch (ZydisRegisterGetClass(reg)) {
  case ZYDIS_REGCLASS_GPR64:
    return full;
  case ZYDIS_REGCLASS_GPR32:
    return full & 0xffffffff;
  case ZYDIS_REGCLASS_GPR16:
    return full & 0xffff;
  default:
    return 0; // vector index registers (gathers): not followed
  }
}

std::uint64_t segment_base(ZydisRegister reg, const Sregs& sregs, CodeMode mode) {
  switch (reg) {
  case ZYDIS_REGISTER_FS:
    return sregs.fs.base;
  case ZYDIS_REGISTER_GS:
    return sregs.gs.base;
  default:
    break;
  }
  if (mode == CodeMode::bits64) return 0;
  switch (reg) {
  case ZYDIS_REGISTER_CS:
    return sregs.cs.base;
  case ZYDIS_REGISTER_SS:
    return sregs.ss.base;
  case ZYDIS_REGISTER_ES:
    return sregs.es.base;
  default:
    return sregs.ds.base;
  }
}

constexpr std::uint64_t repeats_mask =
    ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE;

/// Names memory as a hint, or repeats no times.
bool touches_nothing(const ZydisDecodedInstruction& instruction, const Regs& regs) {
  switch (instruction.meta.category) {
  case ZYDIS_CATEGORY_NOP:
  case ZYDIS_CATEGORY_WIDENOP:
  case ZYDIS_CATEGORY_PREFETCH:
    return true;
  default:
    break;
  }
  const std::uint64_t counted = instruction.address_width == 64
                                    ? ~std::uint64_t{0}
                                    : (std::uint64_t{1} << instruction.address_width) - 1;
  return (instruction.attributes & repeats_mask) != 0 && (regs.rcx & counted) == 0;
}

/// bt, bts, btr and btc with a register as the bit number (SDM vol. 2, BT): bytes from the operand
/// on to the word that holds the bit.
std::uint64_t bit_string_offset(const ZydisDecodedInstruction& instruction,
                                const ZydisDecodedOperand* operands,
                                const Regs& regs) {
  const ZydisMnemonic m = instruction.mnemonic;
  const bool bits = m == ZYDIS_MNEMONIC_BT || m == ZYDIS_MNEMONIC_BTS || m == ZYDIS_MNEMONIC_BTR ||
                    m == ZYDIS_MNEMONIC_BTC;
  if (!bits || operands[1].type != ZYDIS_OPERAND_TYPE_REGISTER) return 0;
  const unsigned width = instruction.operand_width, unused = 64u - width;
  const auto number =
      static_cast<std::int64_t>(register_value(operands[1].reg.value, regs) << unused) >> unused;
  return static_cast<std::uint64_t>((number & -std::int64_t{width}) / 8);
}

Access access_of(const ZydisDecodedInstruction& instruction,
                 const ZydisDecodedOperand& operand,
                 const Regs& regs,
                 const Sregs& sregs,
                 CodeMode mode) {
  const auto& mem = operand.mem;
  std::uint64_t offset = static_cast<std::uint64_t>(mem.disp.has_displacement ? mem.disp.value : 0);
  if (mem.base == ZYDIS_REGISTER_RIP || mem.base == ZYDIS_REGISTER_EIP) {
    offset += regs.rip + instruction.length;
  } else {
    offset += register_value(mem.base, regs);
  }
  offset += register_value(mem.index, regs) * mem.scale;
  const std::uint64_t bytes = operand.size / 8u;
  const bool stack = mem.base == ZYDIS_REGISTER_RSP || mem.base == ZYDIS_REGISTER_ESP ||
                     mem.base == ZYDIS_REGISTER_SP;
  const bool implicit = stack && operand.visibility == ZYDIS_OPERAND_VISIBILITY_HIDDEN;
  const bool pushes = implicit && (operand.actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) != 0;
  if (pushes) offset -= bytes;
  if (instruction.mnemonic == ZYDIS_MNEMONIC_XLAT) offset += regs.rax & 0xff;
  // pop into memory addressed by rsp: by the rsp after it (SDM vol. 2, POP)
  if (stack && !implicit && instruction.mnemonic == ZYDIS_MNEMONIC_POP) offset += bytes;
  // an address-size prefix does not change the width of the stack pointer
  const unsigned width = !implicit                        ? instruction.address_width
                         : mem.base == ZYDIS_REGISTER_RSP ? 64u
                         : mem.base == ZYDIS_REGISTER_ESP ? 32u
                                                          : 16u;
  if (width == 32) offset &= 0xffffffff;
  if (width == 16) offset &= 0xffff;
  std::uint64_t linear = segment_base(mem.segment, sregs, mode) + offset;
  if (mode != CodeMode::bits64) linear &= 0xffffffff;
  return {linear, bytes, (operand.actions & ZYDIS_OPERAND_ACTION_MASK_READ) != 0,
          (operand.actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) != 0};
}

bool is_intercepted(const ZydisDecodedInstruction& instruction) {
  switch (instruction.mnemonic) {
  case ZYDIS_MNEMONIC_CPUID:
  case ZYDIS_MNEMONIC_PAUSE:
  case ZYDIS_MNEMONIC_RDPMC:
  case ZYDIS_MNEMONIC_RDTSC:
  case ZYDIS_MNEMONIC_RDTSCP:
  case ZYDIS_MNEMONIC_VMCALL:
  case ZYDIS_MNEMONIC_VMMCALL:
    return true;
  default:
    return (instruction.attributes & ZYDIS_ATTRIB_IS_PRIVILEGED) != 0 ||
           instruction.meta.category == ZYDIS_CATEGORY_IO ||
           instruction.meta.category == ZYDIS_CATEGORY_IOSTRINGOP;
  }
}

bool branches_to_itself(const ZydisDecodedInstruction& instruction,
                        const ZydisDecodedOperand* operands) {
  return instruction.operand_count != 0 && operands[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE &&
         operands[0].imm.is_relative != 0 && operands[0].imm.value.s == -int{instruction.length};
}

/// The likeliest: an instruction may have several reasons to fault. Memory has its own (pages).
std::optional<std::uint8_t> exception_of(const ZydisDecodedInstruction& instruction,
                                         const ZydisDecodedOperand* operands) {
  constexpr std::uint8_t divide_error = 0, breakpoint = 3, overflow = 4, bound = 5, protection = 13;
  switch (instruction.mnemonic) {
  case ZYDIS_MNEMONIC_INT:
    return static_cast<std::uint8_t>(operands[0].imm.value.u);
  case ZYDIS_MNEMONIC_INT1:
    return vector_debug;
  case ZYDIS_MNEMONIC_INT3:
    return breakpoint;
  case ZYDIS_MNEMONIC_DIV:
  case ZYDIS_MNEMONIC_IDIV:
    return divide_error;
  case ZYDIS_MNEMONIC_INTO:
    return overflow;
  case ZYDIS_MNEMONIC_BOUND:
    return bound;
  case ZYDIS_MNEMONIC_UD0:
  case ZYDIS_MNEMONIC_UD1:
  case ZYDIS_MNEMONIC_UD2:
    return vector_invalid_opcode;
  default:
    break;
  }
  const bool privileged = (instruction.attributes & ZYDIS_ATTRIB_IS_PRIVILEGED) != 0;
  return privileged ? std::optional(protection) : std::nullopt;
}

} // namespace

CodeMode code_mode(const Sregs& sregs) {
  if ((sregs.efer & efer_lma) != 0 && sregs.cs.l != 0) return CodeMode::bits64;
  return (sregs.cr0 & cr0_pe) != 0 && sregs.cs.db != 0 ? CodeMode::bits32 : CodeMode::bits16;
}

Instruction decode(ByteView code, CodeMode mode) {
  const ZydisDecoder decoder = decoder_for(mode);
  ZydisDecodedInstruction instruction;
  ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
  if (!ZYAN_SUCCESS(
          ZydisDecoderDecodeFull(&decoder, code.data(), code.size(), &instruction, operands))) {
    Instruction unknown;
    if (!code.empty()) unknown.raises = vector_invalid_opcode;
    return unknown;
  }
  Instruction out{kind_of(instruction.mnemonic), instruction.length,
                  static_cast<std::uint8_t>(instruction.operand_width / 8)};
  out.repeats = (instruction.attributes & repeats_mask) != 0;
  out.locked = (instruction.attributes & ZYDIS_ATTRIB_HAS_LOCK) != 0 ||
               instruction.mnemonic == ZYDIS_MNEMONIC_XCHG;
  out.calls = instruction.meta.category == ZYDIS_CATEGORY_CALL;
  out.exits = is_intercepted(instruction);
  out.stays = branches_to_itself(instruction, operands);
  out.raises = exception_of(instruction, operands);
  if (out.kind == Kind::plain && loads_ss(instruction, operands)) out.kind = Kind::load_ss;
  return out;
}

std::vector<Access> accesses(ByteView code, const Regs& regs, const Sregs& sregs) {
  const CodeMode mode = code_mode(sregs);
  const ZydisDecoder decoder = decoder_for(mode);
  ZydisDecodedInstruction instruction;
  ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
  if (!ZYAN_SUCCESS(
          ZydisDecoderDecodeFull(&decoder, code.data(), code.size(), &instruction, operands))) {
    return {};
  }
  if (touches_nothing(instruction, regs)) return {};
  std::vector<Access> out;
  for (std::uint8_t i = 0; i < instruction.operand_count; ++i) {
    const auto& operand = operands[i];
    if (operand.type != ZYDIS_OPERAND_TYPE_MEMORY || operand.mem.type == ZYDIS_MEMOP_TYPE_AGEN) {
      continue;
    }
    out.push_back(access_of(instruction, operand, regs, sregs, mode));
    out.back().address += bit_string_offset(instruction, operands, regs);
  }
  return out;
}

/// gdb keeps to 64-bit code while it is connected to a 64-bit CPU, so the text is made here.
std::vector<CodeLine> disassemble(ByteView code, std::uint64_t at, CodeMode mode) {
  const ZydisDecoder decoder = decoder_for(mode);
  ZydisFormatter formatter;
  ZydisFormatterInit(&formatter, ZYDIS_FORMATTER_STYLE_ATT);
  std::vector<CodeLine> out;
  while (!code.empty()) {
    ZydisDecodedInstruction instruction;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    std::array<char, 128> text{};
    const bool decoded = ZYAN_SUCCESS(
        ZydisDecoderDecodeFull(&decoder, code.data(), code.size(), &instruction, operands));
    // cut off at the end, not bad
    if (!decoded && !out.empty() && code.size() < ZYDIS_MAX_INSTRUCTION_LENGTH) break;
    const std::uint8_t length = decoded ? instruction.length : 1;
    if (decoded) {
      ZydisFormatterFormatInstruction(&formatter, &instruction, operands,
                                      instruction.operand_count_visible, text.data(), text.size(),
                                      at, nullptr);
    }
    out.push_back(
        {at, Bytes(code.begin(), code.begin() + length), decoded ? text.data() : "(bad)"});
    at += length;
    code = code.subspan(length);
  }
  return out;
}

} // namespace kdbg::kvm::x86
