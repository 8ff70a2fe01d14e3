// Segments, descriptor tables and control registers: what they mean, and how a debugger's write
// of them takes effect.
#include "kvm/arch/x86_64/cpu.hpp"

#include <cstring>
#include <fmt/format.h>

namespace kdbg::kvm::x86 {
namespace {

Segment& segment_of(Sregs& sregs, Where where) {
  switch (where) {
  case Where::ss:
    return sregs.ss;
  case Where::ds:
    return sregs.ds;
  case Where::es:
    return sregs.es;
  case Where::fs:
    return sregs.fs;
  case Where::gs:
    return sregs.gs;
  case Where::tr:
    return sregs.tr;
  case Where::ldt:
    return sregs.ldt;
  default:
    return sregs.cs;
  }
}

constexpr Where selector_order[] = {Where::cs, Where::ss, Where::ds,
                                    Where::es, Where::fs, Where::gs};

std::uint64_t* control_register(Sregs& sregs, std::size_t number) {
  switch (number) {
  case reg_fs_base:
    return &sregs.fs.base;
  case reg_gs_base:
    return &sregs.gs.base;
  case reg_cr0:
    return &sregs.cr0;
  case reg_cr2:
    return &sregs.cr2;
  case reg_cr3:
    return &sregs.cr3;
  case reg_cr4:
    return &sregs.cr4;
  case reg_cr8:
    return &sregs.cr8;
  case reg_efer:
    return &sregs.efer;
  default:
    return nullptr;
  }
}

/// The VMX access-rights layout (SDM vol. 3, table 25-2), as lldb, QEMU and crash dumps print it.
std::uint32_t attributes(const Segment& s) {
  return static_cast<std::uint32_t>((s.type & 15) | (s.s & 1) << 4 | (s.dpl & 3) << 5 |
                                    (s.present & 1) << 7 | (s.avl & 1) << 12 | (s.l & 1) << 13 |
                                    (s.db & 1) << 14 | (s.g & 1) << 15 | (s.unusable & 1) << 16);
}

void set_attributes(Segment& s, std::uint64_t bits) {
  const auto bit = [bits](unsigned n) { return static_cast<std::uint8_t>(bits >> n & 1); };
  s.type = static_cast<std::uint8_t>(bits & 15);
  s.s = bit(4);
  s.dpl = static_cast<std::uint8_t>(bits >> 5 & 3);
  s.present = bit(7);
  s.avl = bit(12);
  s.l = bit(13);
  s.db = bit(14);
  s.g = bit(15);
  s.unusable = bit(16);
}

/// One of our own registers: a field of a descriptor cache or of a descriptor table.
void set_field(Sregs& sregs, SystemField which, std::uint64_t value) {
  const auto [where, field] = which;
  if (where == Where::gdt || where == Where::idt) {
    DescriptorTable& table = where == Where::gdt ? sregs.gdt : sregs.idt;
    if (field == Field::base) table.base = value;
    if (field == Field::limit) table.limit = static_cast<std::uint16_t>(value);
    return;
  }
  Segment& segment = segment_of(sregs, where);
  switch (field) {
  case Field::selector:
    segment.selector = static_cast<std::uint16_t>(value);
    break;
  case Field::base:
    segment.base = value;
    break;
  case Field::limit:
    segment.limit = static_cast<std::uint32_t>(value);
    break;
  case Field::attributes:
    set_attributes(segment, value);
    break;
  }
}

/// An 8-byte segment descriptor (SDM vol. 3, figure 3-8).
Segment unpack(std::uint64_t descriptor, std::uint16_t selector) {
  Segment s{};
  s.selector = selector;
  s.base = (descriptor >> 16 & 0xffffff) | (descriptor >> 56 & 0xff) << 24;
  s.limit = static_cast<std::uint32_t>((descriptor & 0xffff) | (descriptor >> 48 & 0xf) << 16);
  set_attributes(s, (descriptor >> 40 & 0xff) | (descriptor >> 52 & 0xf) << 12);
  if (s.g != 0) s.limit = s.limit << 12 | 0xfff;
  return s;
}

Bytes as_bytes(std::uint64_t value, std::size_t count) {
  Bytes out(count);
  std::memcpy(out.data(), &value, count);
  return out;
}

/// Why a descriptor may not be loaded into a segment register (SDM vol. 3, 3.4.5.1); empty when
/// it may.
std::string_view misfit(const Segment& loaded, std::string_view name) {
  const bool is_code = (loaded.type & 8) != 0, readable_or_writable = (loaded.type & 2) != 0;
  if (loaded.present == 0) return "its descriptor is not present";
  if (loaded.s == 0) return "it names a system descriptor";
  if (name == "cs") return is_code ? "" : "it names a data segment";
  if (name == "ss") {
    return !is_code && readable_or_writable ? "" : "it names no writable data segment";
  }
  return is_code && !readable_or_writable ? "it names an execute-only segment" : "";
}

Error refused(std::string_view name, std::uint16_t selector, std::string_view why) {
  return {Code::bad_request,
          fmt::format("cannot load {} with selector {:#x}: {}", name, selector, why)};
}

std::string mode_name(const Sregs& sregs) {
  if ((sregs.cr0 & cr0_pe) == 0) return "real mode";
  if ((sregs.efer & efer_lma) != 0) {
    const bool five = (sregs.cr4 & cr4_la57) != 0, wide = code_mode(sregs) == CodeMode::bits64;
    return fmt::format("long mode{}{}", five ? ", 5-level paging" : "",
                       wide ? "" : ", compatibility code");
  }
  const bool pae = (sregs.cr4 & cr4_pae) != 0;
  const char* paging = (sregs.cr0 & cr0_pg) == 0 ? "no paging"
                       : pae                     ? "PAE paging"
                                                 : "32-bit paging";
  return fmt::format("{}-bit protected mode, {}", sregs.cs.db != 0 ? 32 : 16, paging);
}

} // namespace

Result<Bytes> X86Cpu::read_system(RegisterId id) {
  TRY(load_sregs());
  const std::size_t n = index(id);
  const std::size_t bytes = arch_info().registers[n].bits / 8u;
  if (n >= reg_cs && n <= reg_gs) {
    return as_bytes(segment_of(*sregs_, selector_order[n - reg_cs]).selector, bytes);
  }
  if (const auto* value = control_register(*sregs_, n)) return as_bytes(*value, bytes);
  const auto [where, field] = system_field(id);
  if (where == Where::gdt || where == Where::idt) {
    const DescriptorTable& table = where == Where::gdt ? sregs_->gdt : sregs_->idt;
    return as_bytes(field == Field::base ? table.base : table.limit, bytes);
  }
  const Segment& segment = segment_of(*sregs_, where);
  switch (field) {
  case Field::selector:
    return as_bytes(segment.selector, bytes);
  case Field::base:
    return as_bytes(segment.base, bytes);
  case Field::limit:
    return as_bytes(segment.limit, bytes);
  case Field::attributes:
    return as_bytes(attributes(segment), bytes);
  }
  return Error{Code::bad_request, "no such field"};
}

Status X86Cpu::write_system(RegisterId id, std::uint64_t value) {
  TRY(load_sregs());
  const std::size_t n = index(id);
  const std::string_view name = arch_info().registers[n].name;
  Sregs changed = *sregs_;
  if (n >= reg_cs && n <= reg_gs) {
    Segment& segment = segment_of(changed, selector_order[n - reg_cs]);
    if (segment.selector == value) return Done{};
    if (value > 0xffff) {
      return Error{Code::bad_request, fmt::format("{} = {:#x} is over 16 bits", name, value)};
    }
    TRY(load_selector(segment, name, static_cast<std::uint16_t>(value)));
  } else if (auto* control = control_register(changed, n)) {
    *control = value;
  } else {
    set_field(changed, system_field(id), value);
  }
  return store_sregs(changed, fmt::format("{} = {:#x}", name, value));
}

Status X86Cpu::load_selector(Segment& segment, std::string_view name, std::uint16_t selector) {
  TRY(load_regs());
  const bool real_mode = (sregs_->cr0 & cr0_pe) == 0 || (regs_->rflags & flag_vm) != 0;
  if (real_mode) {
    segment.selector = selector;
    segment.base = std::uint64_t{selector} << 4;
    return Done{};
  }
  const bool code = name == "cs", stack = name == "ss";
  if ((selector & 0xfffc) == 0) {
    const bool null_stack_allowed = code_mode(*sregs_) == CodeMode::bits64 && sregs_->cs.dpl != 3;
    if (code || (stack && !null_stack_allowed)) {
      return refused(name, selector, "the null selector is not allowed there");
    }
    segment = Segment{};
    segment.selector = selector;
    segment.unusable = 1;
    return Done{};
  }
  const bool local = (selector & 4) != 0;
  const std::uint64_t table = local ? sregs_->ldt.base : sregs_->gdt.base;
  const std::uint64_t limit = local ? sregs_->ldt.limit : sregs_->gdt.limit;
  const std::uint64_t offset = selector & 0xfff8u;
  if (local && sregs_->ldt.unusable != 0) return refused(name, selector, "there is no LDT");
  if (offset + 7 > limit) {
    return refused(name, selector,
                   fmt::format("it is beyond the {} limit {:#x}", local ? "LDT" : "GDT", limit));
  }
  std::uint64_t descriptor = 0;
  if (read_linear(table + offset, std::as_writable_bytes(std::span(&descriptor, 1))) !=
      sizeof descriptor) {
    return refused(name, selector,
                   fmt::format("its descriptor at {:#x} is not readable", table + offset));
  }
  const Segment loaded = unpack(descriptor, selector);
  if (const std::string_view why = misfit(loaded, name); !why.empty()) {
    return refused(name, selector, why);
  }
  segment = loaded;
  segment.type |= 1; // accessed, as the CPU would set it
  return Done{};
}

std::string X86Cpu::describe() {
  if (auto loaded = load_sregs(); !loaded) return loaded.error().what;
  if (auto loaded = load_regs(); !loaded) return loaded.error().what;
  std::string out = mode_name(*sregs_);
  if ((sregs_->cr0 & cr0_pe) != 0) out += fmt::format(", ring {}", sregs_->ss.dpl);
  kvm_mp_state state{};
  if (!vcpu_.ioctl(KVM_GET_MP_STATE, &state)) return out;
  switch (state.mp_state) {
  case KVM_MP_STATE_HALTED:
    return out + ", halted";
  case KVM_MP_STATE_UNINITIALIZED:
  case KVM_MP_STATE_INIT_RECEIVED:
    return out + ", waiting for start-up";
  default:
    return out;
  }
}

Result<bool> X86Cpu::waits_for_ever() {
  TRY(load_regs());
  const auto state = TRY(vcpu_.get<kvm_mp_state>(KVM_GET_MP_STATE)).mp_state;
  if (state == KVM_MP_STATE_HALTED) return (regs_->rflags & flag_if) == 0;
  return state == KVM_MP_STATE_UNINITIALIZED || state == KVM_MP_STATE_INIT_RECEIVED;
}

Result<bool> X86Cpu::waiting() {
  if (!may_wait_) return false;
  const auto state = TRY(vcpu_.get<kvm_mp_state>(KVM_GET_MP_STATE));
  return state.mp_state != KVM_MP_STATE_RUNNABLE;
}

Result<bool> X86Cpu::software_points_blocked() {
  if (facts_.breakpoint_exit) return false;
  // Where int3 shows only as an emulation failure, in real mode the guest's own handler takes it.
  TRY(load_sregs());
  return (sregs_->cr0 & cr0_pe) == 0;
}

} // namespace kdbg::kvm::x86
