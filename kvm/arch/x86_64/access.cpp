// Registers of an x86 vCPU, read and written one at a time from KVM's structures.
#include "kvm/arch/x86_64/cpu.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <fmt/format.h>

namespace kdbg::kvm::x86 {
namespace {

constexpr std::uint64_t Regs::*general_fields[] = {
    &Regs::rax, &Regs::rbx, &Regs::rcx, &Regs::rdx, &Regs::rsi, &Regs::rdi,
    &Regs::rbp, &Regs::rsp, &Regs::r8,  &Regs::r9,  &Regs::r10, &Regs::r11,
    &Regs::r12, &Regs::r13, &Regs::r14, &Regs::r15, &Regs::rip};

/// Where a register stands in the XSAVE area (SDM vol. 1, 10.5.1 and 13.4), and the state
/// component that must be marked in use to write it.
struct XsavePlace {
  std::size_t offset = 0, bytes = 0;
  std::uint64_t component = 0;
};
constexpr std::size_t xstate_bv_offset = 512, avx_offset = 576;
constexpr std::uint64_t component_x87 = 1, component_sse = 2, component_avx = 4,
                        component_opmask = 1u << 5, component_zmm_high = 1u << 6,
                        component_zmm_upper = 1u << 7, component_pkru = 1u << 9;
constexpr XsavePlace control_places[] = {
    {0, 2, component_x87}, {2, 2, component_x87},  {4, 1, component_x87},  {12, 2, component_x87},
    {8, 4, component_x87}, {20, 2, component_x87}, {16, 4, component_x87}, {6, 2, component_x87}};

/// Of AVX-512's registers, counted from k0.
XsavePlace avx512_place(const XsaveLayout& layout, std::size_t n) {
  if (n < run_zmm0h) return {layout.opmask + 8 * n, 8, component_opmask};
  if (n < run_xmm16) return {layout.zmm_high + 32 * (n - run_zmm0h), 32, component_zmm_high};
  // zmm16 to zmm31 stand whole, 64 bytes each
  const auto part = [&](std::size_t number, std::size_t offset, std::size_t bytes) {
    return XsavePlace{layout.zmm_upper + 64 * number + offset, bytes, component_zmm_upper};
  };
  if (n < run_ymm16h) return part(n - run_xmm16, 0, 16);
  if (n < run_zmm16h) return part(n - run_ymm16h, 16, 16);
  return part(n - run_zmm16h, 32, 32);
}

XsavePlace xsave_place(const XsaveLayout& layout, RegisterId id) {
  const std::size_t n = index(id);
  if (n >= reg_extended) {
    const std::size_t beyond = n - reg_extended;
    if (layout.avx512() && beyond < avx512_count) return avx512_place(layout, beyond);
    return {layout.pkru, 4, component_pkru};
  }
  if (n >= reg_ymm0h) return {avx_offset + 16 * (n - reg_ymm0h), 16, component_avx};
  if (n == reg_mxcsr) return {24, 4, component_sse};
  if (n >= reg_xmm0) return {160 + 16 * (n - reg_xmm0), 16, component_sse};
  if (n >= reg_fctrl) return control_places[n - reg_fctrl];
  return {32 + 16 * (n - reg_st0), 10, component_x87};
}
constexpr std::size_t ftag_number = reg_fctrl + 2;

/// FXSAVE keeps one bit per x87 register, debuggers want FSAVE's two (SDM vol. 1, table 10-1).
std::uint16_t full_tag(ByteView area) {
  const unsigned abridged = std::to_integer<unsigned>(area[4]);
  const unsigned top = (std::to_integer<unsigned>(area[3]) >> 3) & 7;
  unsigned tags = 0;
  for (unsigned physical = 0; physical < 8; ++physical) {
    unsigned tag = 3; // empty
    if ((abridged >> physical & 1) != 0) {
      std::uint64_t mantissa = 0;
      std::uint16_t exponent = 0;
      const std::byte* st = area.data() + 32 + 16 * ((physical - top) & 7);
      std::memcpy(&mantissa, st, 8);
      std::memcpy(&exponent, st + 8, 2);
      exponent &= 0x7fff;
      const bool integer_bit = mantissa >> 63 != 0;
      if (exponent == 0x7fff || (exponent == 0 && mantissa != 0) ||
          (exponent != 0 && !integer_bit)) {
        tag = 2;
      } else {
        tag = exponent == 0 ? 1 : 0;
      }
    }
    tags |= tag << (2 * physical);
  }
  return static_cast<std::uint16_t>(tags);
}

std::byte abridged_tag(std::uint64_t tags) {
  unsigned bits = 0;
  for (unsigned i = 0; i < 8; ++i) {
    bits |= ((tags >> (2 * i) & 3) != 3 ? 1u : 0u) << i;
  }
  return static_cast<std::byte>(bits);
}

Bytes little_endian(std::uint64_t value, std::size_t bytes) {
  Bytes out(bytes);
  std::memcpy(out.data(), &value, std::min(bytes, sizeof value));
  return out;
}

std::uint64_t number(ByteView value) {
  std::uint64_t out = 0;
  std::memcpy(&out, value.data(), std::min(value.size(), sizeof out));
  return out;
}

} // namespace

void X86Cpu::exited() {
  step_cut_ |= vcpu_.run_page().exit_reason != KVM_EXIT_DEBUG;
  regs_.reset();
  sregs_.reset();
  xsave_.clear();
  debugregs_.reset();
  kernel_gs_base_.reset();
  sync_valid_ = facts_.sync_registers;
  may_wait_ =
      vcpu_.run_page().exit_reason != KVM_EXIT_DEBUG || before_.instruction.kind == Kind::hlt;
}

Status X86Cpu::load_regs() {
  if (regs_) return Done{};
  if (sync_valid_) {
    Regs copy;
    std::memcpy(&copy, &vcpu_.run_page().s, sizeof copy);
    regs_ = copy;
  } else {
    regs_ = TRY(vcpu_.get<Regs>(get_regs));
  }
  return Done{};
}

Status X86Cpu::load_sregs() {
  if (sregs_) return Done{};
  if (sync_valid_) {
    Sregs copy;
    std::memcpy(&copy, vcpu_.run_page().s.padding + offsetof(SyncRegs, sregs), sizeof copy);
    sregs_ = copy;
  } else {
    sregs_ = TRY(vcpu_.get<Sregs>(get_sregs));
  }
  return Done{};
}

Status X86Cpu::flush_regs() {
  if (!regs_dirty_) return Done{};
  TRY(vcpu_.set(set_regs, *regs_));
  regs_dirty_ = false;
  // KVM drops the hardware TF when rip is set (kvm_set_rflags); the step must be armed again.
  if (plan_.step) armed_.reset();
  return Done{};
}

Status X86Cpu::store_sregs(const Sregs& changed, std::string_view what) {
  Sregs out = changed;
  // SET_SREGS queues an interrupt for a bit in the bitmap; what is injected stays injected.
  if (auto stored = vcpu_.set(set_sregs, out); !stored) {
    return Error{stored.error().code,
                 fmt::format("KVM refuses {} (it contradicts the rest of the CPU's state): {}",
                             what, stored.error().what),
                 stored.error().sys_errno};
  }
  sregs_ = out;
  sync_valid_ = false;
  return load_regs();
}

bool X86Cpu::guest_trap_flag() const {
  return plan_.step ? guest_tf_ : (regs_->rflags & flag_tf) != 0;
}

std::uint64_t X86Cpu::shown_rflags() const {
  return (regs_->rflags & ~(flag_tf | flag_rf)) | (guest_trap_flag() ? flag_tf : 0);
}

Result<GuestVirt> X86Cpu::pc() {
  TRY(load_regs());
  TRY(load_sregs());
  if (code_mode(*sregs_) == CodeMode::bits64) return GuestVirt{regs_->rip};
  return GuestVirt{(sregs_->cs.base + regs_->rip) & 0xffffffff};
}

Result<std::uint64_t> X86Cpu::root() {
  TRY(load_sregs());
  return (sregs_->cr0 & cr0_pg) != 0 ? sregs_->cr3 : ~std::uint64_t{0};
}

namespace {

/// The tables that an address in this space is looked up in.
Paging under(Paging paging, const Space& space) {
  if (space.kind == Space::Kind::root) paging.cr3 = space.root;
  return paging;
}

} // namespace

Result<Translation> X86Cpu::translate(Address at) {
  if (at.space.kind == Space::Kind::physical) {
    Translation out;
    out.physical = GuestPhys{at.value};
    return out;
  }
  TRY(load_sregs());
  const Paging paging{sregs_->cr0, sregs_->cr3, sregs_->cr4, sregs_->efer};
  return walk(under(paging, at.space), memory_, at.value, Detail::none);
}

namespace {

class Snapshot final : public PageTables {
public:
  Snapshot(const Paging& paging, const GuestMemory& memory) : paging_(paging), memory_(memory) {}
  Result<Translation> translate(Address at) const override {
    return walk(under(paging_, at.space), memory_, at.value);
  }
  std::uint64_t hole(Address at) const override {
    std::uint64_t size = 0;
    std::ignore = walk(under(paging_, at.space), memory_, at.value, Detail::none, &size);
    return size;
  }

private:
  Paging paging_;
  const GuestMemory& memory_;
};

} // namespace

Result<std::unique_ptr<PageTables>> X86Cpu::page_tables() {
  TRY(load_sregs());
  const Paging paging{sregs_->cr0, sregs_->cr3, sregs_->cr4, sregs_->efer};
  return std::unique_ptr<PageTables>(std::make_unique<Snapshot>(paging, memory_));
}

bool X86Cpu::at_hand(RegisterId id) const {
  switch (info_.registers[index(id)].group) {
  case RegisterGroup::general:
  case RegisterGroup::system:
    return registers_at_hand();
  case RegisterGroup::debug:
    return debugregs_.has_value();
  case RegisterGroup::fpu:
    return !xsave_.empty();
  case RegisterGroup::msr:
    return msr_index(id) == msr_kernel_gs_base && kernel_gs_base_.has_value();
  }
  return false;
}

Result<Bytes> X86Cpu::read(RegisterId id) {
  const RegisterInfo& info = info_.registers[index(id)];
  const std::size_t bytes = info.bits / 8u;
  switch (info.group) {
  case RegisterGroup::general: {
    TRY(load_regs());
    if (index(id) == reg_eflags) return little_endian(shown_rflags(), bytes);
    return little_endian((*regs_).*general_fields[index(id)], bytes);
  }
  case RegisterGroup::system:
    return read_system(id);
  case RegisterGroup::msr:
    return little_endian(TRY(read_stable_msr(msr_index(id))), bytes);
  case RegisterGroup::debug:
    return little_endian(*TRY(debug_field(debug_register(id))), bytes);
  case RegisterGroup::fpu:
    break;
  }
  TRY(load_xsave());
  if (index(id) == ftag_number) return little_endian(full_tag(xsave_), bytes);
  const XsavePlace place = xsave_place(facts_.xsave, id);
  Bytes out(bytes);
  std::copy_n(xsave_.begin() + static_cast<std::ptrdiff_t>(place.offset), place.bytes, out.begin());
  return out;
}

Status X86Cpu::write(RegisterId id, ByteView value) {
  const RegisterInfo& info = info_.registers[index(id)];
  if (value.size() != info.bits / 8u) {
    return Error{Code::bad_request,
                 fmt::format("{} takes {} bytes, not {}", info.name, info.bits / 8, value.size())};
  }
  switch (info.group) {
  case RegisterGroup::general: {
    TRY(load_regs());
    if (index(id) != reg_eflags) {
      (*regs_).*general_fields[index(id)] = number(value);
      // a resume flag left by the old pc would hide a breakpoint at the new one
      if (index(id) == reg_rip) {
        regs_->rflags &= ~flag_rf;
        breakpoint_due_ = false; // the int3 handed back is not where the guest goes on
      }
    } else {
      const std::uint64_t flags = number(value);
      guest_tf_ = (flags & flag_tf) != 0;
      regs_->rflags = (flags & ~flag_rf & (plan_.step ? ~flag_tf : ~std::uint64_t{0})) | 2;
    }
    regs_dirty_ = true;
    return Done{};
  }
  case RegisterGroup::system:
    return write_system(id, number(value));
  case RegisterGroup::msr:
    return write_msr(msr_index(id), number(value));
  case RegisterGroup::debug: {
    std::uint64_t* field = TRY(debug_field(debug_register(id)));
    const std::uint64_t old = std::exchange(*field, number(value));
    auto stored = vcpu_.set(set_debugregs, *debugregs_);
    if (!stored) *field = old;
    return stored;
  }
  case RegisterGroup::fpu:
    break;
  }
  return write_xsave(id, value);
}

Status X86Cpu::load_xsave() {
  if (!xsave_.empty()) return Done{};
  Bytes area(facts_.xsave.bytes);
  TRY(vcpu_.ioctl(area.size() > sizeof(Xsave) ? get_xsave2 : get_xsave, area.data()));
  xsave_ = std::move(area);
  return Done{};
}

Status X86Cpu::write_xsave(RegisterId id, ByteView value) {
  TRY(load_xsave());
  Bytes changed = xsave_;
  const XsavePlace place = xsave_place(facts_.xsave, id);
  if (index(id) == ftag_number) {
    changed[4] = abridged_tag(number(value));
  } else {
    std::copy_n(value.begin(), place.bytes,
                changed.begin() + static_cast<std::ptrdiff_t>(place.offset));
  }
  std::uint64_t in_use = 0;
  std::memcpy(&in_use, changed.data() + xstate_bv_offset, sizeof in_use);
  in_use |= place.component;
  std::memcpy(changed.data() + xstate_bv_offset, &in_use, sizeof in_use);
  TRY(vcpu_.ioctl(set_xsave, changed.data()));
  xsave_ = std::move(changed);
  return Done{};
}

Result<std::uint64_t*> X86Cpu::debug_field(unsigned number_of) {
  if (!debugregs_) debugregs_ = TRY(vcpu_.get<DebugRegs>(get_debugregs));
  if (number_of == 6) return &debugregs_->dr6;
  if (number_of == 7) return &debugregs_->dr7;
  return &debugregs_->db[number_of];
}

/// The one MSR that every g asks for changes only by the guest's doing: it is kept while parked.
Result<std::uint64_t> X86Cpu::read_stable_msr(std::uint32_t msr) {
  if (msr != msr_kernel_gs_base) return read_msr(msr);
  if (!kernel_gs_base_) kernel_gs_base_ = TRY(read_msr(msr));
  return *kernel_gs_base_;
}

Result<std::uint64_t> X86Cpu::read_msr(std::uint32_t msr) {
  OneMsr request;
  request.entry.index = msr;
  const int done = TRY(vcpu_.ioctl(get_msrs, &request));
  if (done == 1) return request.entry.data;
  return Error{Code::unsupported, fmt::format("this CPU has no MSR {:#x}", msr)};
}

Status X86Cpu::write_msr(std::uint32_t msr, std::uint64_t value) {
  kernel_gs_base_.reset();
  OneMsr request;
  request.entry = {msr, 0, value};
  const int done = TRY(vcpu_.ioctl(set_msrs, &request));
  if (done == 1) return Done{};
  return Error{Code::bad_request, fmt::format("KVM refuses {:#x} for MSR {:#x}", value, msr)};
}

std::size_t X86Cpu::read_linear(std::uint64_t at, std::span<std::byte> out) {
  std::size_t done = 0;
  while (done < out.size()) {
    auto where = translate(Address{at + done});
    if (!where) break;
    const std::uint64_t in_page = where->page_size == 0
                                      ? out.size()
                                      : where->page_size - ((at + done) & (where->page_size - 1));
    const auto chunk = out.subspan(done, std::min<std::uint64_t>(out.size() - done, in_page));
    const std::size_t got = memory_.read(where->physical, chunk);
    done += got;
    if (got < chunk.size()) break;
  }
  return done;
}

bool X86Cpu::write_linear(std::uint64_t at, ByteView data) {
  for (std::size_t done = 0; done < data.size(); ++done) {
    auto where = translate(Address{at + done});
    if (!where || memory_.write(where->physical, data.subspan(done, 1)) != 1) return false;
  }
  return true;
}

Result<Bytes> X86Cpu::code_at_pc() {
  const GuestVirt at = TRY(pc());
  Bytes code(15);
  code.resize(read_linear(at.value, code));
  return code;
}

} // namespace kdbg::kvm::x86
