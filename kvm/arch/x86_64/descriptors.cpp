// Descriptor tables, decoded for people: where handlers, segments and stacks are (SDM vol. 3,
// 3.4.5, 3.5, 6.11, 6.14.1 and 8.7; real mode: 20.1.4).
#include "kvm/arch/x86_64/cpu.hpp"

#include <array>
#include <fmt/format.h>

namespace kdbg::kvm::x86 {
namespace {

constexpr std::uint64_t bits(std::uint64_t value, unsigned first, unsigned count) {
  return value >> first & ((std::uint64_t{1} << count) - 1);
}

/// Types of system segments and gates (SDM table 3-2).
enum Type : std::uint8_t {
  tss16_free = 1,
  ldt = 2,
  tss16_busy = 3,
  call16 = 4,
  task_gate = 5,
  interrupt16 = 6,
  trap16 = 7,
  tss_free = 9,
  tss_busy = 11,
  call_gate = 12,
  interrupt_gate = 14,
  trap_gate = 15,
};

bool is_gate(std::uint64_t type) {
  return (type >= call16 && type <= trap16) || type == call_gate || type >= interrupt_gate;
}

std::string system_kind(std::uint64_t type, bool long_mode) {
  const std::string_view width = long_mode ? "64-bit" : type < 8 ? "16-bit" : "32-bit";
  switch (type) {
  case tss16_free:
  case tss_free:
    return fmt::format("{} TSS, available", width);
  case tss16_busy:
  case tss_busy:
    return fmt::format("{} TSS, busy", width);
  case ldt:
    return "LDT";
  case call16:
  case call_gate:
    return fmt::format("{} call gate", width);
  case task_gate:
    return "task gate";
  case interrupt16:
  case interrupt_gate:
    return fmt::format("{} interrupt gate", width);
  case trap16:
  case trap_gate:
    return fmt::format("{} trap gate", width);
  default:
    return fmt::format("reserved type {}", type);
  }
}

std::string segment_kind(std::uint64_t raw) {
  const bool code = bits(raw, 43, 1) != 0, second = bits(raw, 41, 1) != 0;
  const bool wide = bits(raw, 53, 1) != 0, big = bits(raw, 54, 1) != 0;
  const std::string_view width = code && wide ? "64-bit" : big ? "32-bit" : "16-bit";
  if (code) return fmt::format("{} code{}", width, second ? "" : ", execute-only");
  return fmt::format("{} data{}", width, second ? "" : ", read-only");
}

/// `high`: the second half of a system descriptor or gate in long mode, or 0.
Descriptor decode(std::uint64_t raw, std::uint64_t high, bool long_mode) {
  Descriptor out;
  out.present = bits(raw, 47, 1) != 0;
  out.privilege = static_cast<std::uint8_t>(bits(raw, 45, 2));
  const std::uint64_t type = bits(raw, 40, 4);
  if (bits(raw, 44, 1) != 0) {
    out.kind = segment_kind(raw);
  } else {
    out.kind = system_kind(type, long_mode);
  }
  if (bits(raw, 44, 1) == 0 && is_gate(type)) {
    out.base = bits(raw, 0, 16) | bits(raw, 48, 16) << 16 | high << 32;
    out.selector = static_cast<std::uint16_t>(bits(raw, 16, 16));
    if (long_mode) out.stack = static_cast<std::uint8_t>(bits(raw, 32, 3));
    return out;
  }
  out.base = bits(raw, 16, 24) | bits(raw, 56, 8) << 24 | high << 32;
  out.limit = bits(raw, 0, 16) | bits(raw, 48, 4) << 16;
  if (bits(raw, 55, 1) != 0) out.limit = out.limit << 12 | 0xfff;
  return out;
}

bool is_system(std::uint64_t raw) {
  return bits(raw, 44, 1) == 0;
}

/// Fields of a TSS: 64-bit (SDM figure 8-11), 32-bit (figure 8-2).
struct TssField {
  std::uint8_t offset, bytes;
  std::string_view name;
};
constexpr TssField tss64[] = {{4, 8, "rsp0"},  {12, 8, "rsp1"},          {20, 8, "rsp2"},
                              {36, 8, "ist1"}, {44, 8, "ist2"},          {52, 8, "ist3"},
                              {60, 8, "ist4"}, {68, 8, "ist5"},          {76, 8, "ist6"},
                              {84, 8, "ist7"}, {102, 2, "io map offset"}};
constexpr TssField tss32[] = {{4, 4, "esp0"}, {8, 2, "ss0"},  {28, 4, "cr3"},
                              {32, 4, "eip"}, {56, 4, "esp"}, {102, 2, "io map offset"}};

} // namespace

Result<DescriptorList>
X86Cpu::descriptors(TableKind table, std::uint64_t first, std::uint64_t count) {
  TRY(load_sregs());
  const bool real = (sregs_->cr0 & cr0_pe) == 0, long_mode = (sregs_->efer & efer_lma) != 0;
  if (real && table != TableKind::idt) {
    return Error{Code::unsupported, "in real mode only the interrupt table is in use"};
  }
  switch (table) {
  case TableKind::idt:
    break;
  case TableKind::gdt:
    return segments({sregs_->gdt.base, sregs_->gdt.limit, {}}, first, count, long_mode);
  case TableKind::ldt:
    if (sregs_->ldt.unusable != 0 || (sregs_->ldt.selector & ~7U) == 0) {
      return Error{Code::unsupported, "this vCPU has no LDT"};
    }
    return segments({sregs_->ldt.base, sregs_->ldt.limit, {}}, first, count, long_mode);
  case TableKind::tss:
    return task_state(long_mode);
  }
  return gates(first, count, real, long_mode);
}

Result<DescriptorList>
X86Cpu::gates(std::uint64_t first, std::uint64_t count, bool real, bool long_mode) {
  DescriptorList out{sregs_->idt.base, sregs_->idt.limit, {}};
  const std::uint64_t bytes = real ? 4 : long_mode ? 16 : 8, vectors = 256;
  for (std::uint64_t n = first; n < vectors && n - first < count; ++n) {
    if ((n + 1) * bytes - 1 > out.limit) break;
    std::array<std::uint64_t, 2> raw{};
    const auto room = std::as_writable_bytes(std::span(raw)).first(bytes);
    if (read_linear(out.base + n * bytes, room) != bytes) break;
    if (raw[0] == 0 && raw[1] == 0) continue;
    Descriptor entry;
    if (real) {
      entry.kind = "real-mode vector";
      entry.selector = static_cast<std::uint16_t>(bits(raw[0], 16, 16));
      entry.base = std::uint64_t{entry.selector} * 16 + bits(raw[0], 0, 16);
    } else {
      entry = decode(raw[0], bits(raw[1], 0, 32), long_mode);
    }
    entry.number = n;
    out.entries.push_back(std::move(entry));
  }
  return out;
}

Result<DescriptorList>
X86Cpu::segments(DescriptorList out, std::uint64_t first, std::uint64_t count, bool long_mode) {
  constexpr std::uint64_t bytes = 8, most = 8192;
  for (std::uint64_t n = 0; n < most && (n + 1) * bytes - 1 <= out.limit; ++n) {
    const std::uint64_t here = n;
    std::uint64_t raw = 0, high = 0;
    if (read_linear(out.base + n * bytes, std::as_writable_bytes(std::span(&raw, 1))) != bytes) {
      break;
    }
    // in long mode a system descriptor takes the room of two
    if (raw != 0 && long_mode && is_system(raw)) {
      ++n;
      if (read_linear(out.base + n * bytes, std::as_writable_bytes(std::span(&high, 1))) != bytes) {
        break;
      }
    }
    if (raw == 0 || here < first || here - first >= count) continue;
    Descriptor entry = decode(raw, bits(high, 0, 32), long_mode);
    entry.number = here;
    out.entries.push_back(std::move(entry));
  }
  return out;
}

Result<DescriptorList> X86Cpu::task_state(bool long_mode) {
  const Segment& tr = sregs_->tr;
  if (tr.unusable != 0 || (tr.selector & ~7U) == 0) {
    return Error{Code::unsupported, "this vCPU has loaded no task register"};
  }
  if (!long_mode && tr.type != tss_free && tr.type != tss_busy) {
    return Error{Code::unsupported, "a 16-bit TSS is not decoded"};
  }
  DescriptorList out{tr.base, tr.limit, {}};
  const auto fields =
      long_mode ? std::span<const TssField>(tss64) : std::span<const TssField>(tss32);
  for (const TssField& field : fields) {
    std::uint64_t value = 0;
    const auto room = std::as_writable_bytes(std::span(&value, 1)).first(field.bytes);
    if (field.offset + field.bytes - 1U > tr.limit) break;
    if (read_linear(tr.base + field.offset, room) != field.bytes) break;
    Descriptor entry;
    entry.number = field.offset;
    entry.kind = std::string(field.name);
    entry.base = value;
    out.entries.push_back(std::move(entry));
  }
  return out;
}

} // namespace kdbg::kvm::x86
