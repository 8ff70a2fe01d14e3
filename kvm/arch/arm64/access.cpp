// Registers and memory of an arm64 vCPU as a debugger sees them.
#include "kvm/arch/arm64/cpu.hpp"
#include "kvm/arch/arm64/loadstore.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <fmt/format.h>

namespace kdbg::kvm::arm64 {
namespace {

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

/// The tables that an address in this space is looked up in.
Paging under(Paging paging, const Space& space) {
  if (space.kind == Space::Kind::root) paging.ttbr0 = space.root;
  return paging;
}

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

void Arm64Cpu::exited() {
  const Kind kind = before_.instruction.kind;
  const bool seen = single_ && before_.word; // what has run, one instruction at most
  regs_.forget(seen && kind != Kind::system && kind != Kind::call);
  a64_ = a64_ && seen && kind != Kind::exception_return;
  may_wait_ = vcpu_.run_page().exit_reason != KVM_EXIT_DEBUG;
}

bool Arm64Cpu::registers_at_hand() const {
  constexpr std::uint64_t needed[] = {reg::pc,        reg::pstate,    reg::sctlr_el1,
                                      reg::ttbr0_el1, reg::ttbr1_el1, reg::tcr_el1};
  return el2_ == false && std::all_of(std::begin(needed), std::end(needed),
                                      [this](std::uint64_t id) { return regs_.known(id); });
}

bool Arm64Cpu::at_hand(RegisterId id) const {
  const Place& place = table_.place(id);
  if (place.source == Source::state) return regs_.known(reg::pstate);
  return place.source == Source::plain && regs_.known(place.id);
}

Result<GuestVirt> Arm64Cpu::pc() {
  return GuestVirt{TRY(regs_.get(reg::pc))};
}

Result<std::uint64_t> Arm64Cpu::state() {
  const std::uint64_t held = TRY(regs_.get(reg::pstate));
  return hidden_masks_ ? (held & ~interrupt_masks) | *hidden_masks_ : held;
}

/// From AArch64 only an exception return leads to AArch32.
Result<bool> Arm64Cpu::in_aarch32() {
  if (!a64_) a64_ = (TRY(regs_.get(reg::pstate)) & pstate_aarch32) == 0;
  return !a64_;
}

/// `cpsr` has the low half; the high one, of later extensions, stays.
Status Arm64Cpu::set_state(std::uint64_t value) {
  constexpr std::uint64_t shown = 0xffffffff;
  value = (TRY(regs_.get(reg::pstate)) & ~shown) | (value & shown);
  a64_ = false;
  if (!hidden_masks_) return regs_.set(reg::pstate, value);
  TRY(regs_.set(reg::pstate, value | interrupt_masks));
  hidden_masks_ = value & interrupt_masks;
  masks_hold_ = true;
  return Done{};
}

/// Asked of a register that only such vCPUs have: ID_AA64PFR0_EL1 shows the host's EL2 on some
/// kernels.
Result<bool> Arm64Cpu::has_el2() {
  if (el2_) return *el2_;
  auto hcr = regs_.get(reg::hcr_el2);
  if (!hcr && hcr.error().code != Code::unsupported) return hcr.error();
  el2_ = bool(hcr);
  return *el2_;
}

Result<std::uint64_t> Arm64Cpu::stack_pointer_id() {
  constexpr unsigned r13 = 13;
  const std::uint64_t now = TRY(regs_.get(reg::pstate));
  if ((now & pstate_aarch32) != 0) return reg::x(r13);
  if ((now & pstate_sp) == 0) return reg::sp_el0;
  return exception_level(now) == 2 ? reg::sp_el2 : reg::sp_el1;
}

Result<std::uint64_t> Arm64Cpu::stack_pointer() {
  const std::uint64_t id = TRY(stack_pointer_id());
  return regs_.get(id);
}

/// With SVE the V registers are out of KVM's reach but as the first 16 bytes of Z.
Result<Bytes> Arm64Cpu::read_vector(unsigned n) {
  if (!vectors_in_z_) {
    auto value = regs_.get_bytes(reg::v(n));
    if (value || value.error().code != Code::unsupported) return value;
    vectors_in_z_ = true;
  }
  return regs_.get_bytes(reg::z(n));
}

/// As an instruction that writes V does, this clears what Z has beyond it.
Status Arm64Cpu::write_vector(unsigned n, ByteView value) {
  TRY(read_vector(n)); // where are they?
  return regs_.set_bytes(vectors_in_z_ ? reg::z(n) : reg::v(n), Bytes(value.begin(), value.end()));
}

/// The longest that the vCPU can choose: KVM moves vectors at that length.
Result<unsigned> Arm64Cpu::vector_bytes() {
  const Bytes lengths = TRY(regs_.get_bytes(reg::vector_lengths));
  for (std::size_t byte = lengths.size(); byte-- > 0;) {
    const auto bits = std::to_integer<unsigned>(lengths[byte]);
    if (bits == 0) continue;
    return 16 * (8 * static_cast<unsigned>(byte) + static_cast<unsigned>(std::bit_width(bits)));
  }
  return Error{Code::unsupported, "KVM names no vector length of this vCPU"};
}

Result<Bytes> Arm64Cpu::read(RegisterId id) {
  delivered_ = false; // somebody looks: the step that had come so far is over
  const Place& place = table_.place(id);
  const std::size_t bytes = table_.info().registers[index(id)].bits / 8u;
  switch (place.source) {
  case Source::state:
    return little_endian(TRY(state()), bytes);
  case Source::stack_pointer:
    return little_endian(TRY(stack_pointer()), bytes);
  case Source::granules:
    return little_endian(TRY(vector_bytes()) / 8, bytes);
  case Source::vector: {
    Bytes value = TRY(read_vector(static_cast<unsigned>(index(id)) - reg_v0));
    value.resize(bytes);
    return value;
  }
  case Source::plain:
    break;
  }
  if (bytes_of(place.id) <= sizeof(std::uint64_t)) {
    return little_endian(TRY(regs_.get(place.id)), bytes);
  }
  Bytes value = TRY(regs_.get_bytes(place.id));
  value.resize(bytes);
  return value;
}

Status Arm64Cpu::write(RegisterId id, ByteView value) {
  const RegisterInfo& info = table_.info().registers[index(id)];
  if (value.size() != info.bits / 8u) {
    return Error{Code::bad_request,
                 fmt::format("{} takes {} bytes, not {}", info.name, info.bits / 8, value.size())};
  }
  const Place& place = table_.place(id);
  switch (place.source) {
  case Source::state:
    return set_state(number(value));
  case Source::stack_pointer:
    return regs_.set(TRY(stack_pointer_id()), number(value));
  case Source::granules:
    return Error{Code::unsupported, "the vector length of a vCPU is fixed once it has been set up"};
  case Source::vector:
    return write_vector(static_cast<unsigned>(index(id)) - reg_v0, value);
  case Source::plain:
    break;
  }
  if (index(id) == reg_pc) delivered_ = false;
  if (bytes_of(place.id) <= sizeof(std::uint64_t)) return regs_.set(place.id, number(value));
  return regs_.set_bytes(place.id, Bytes(value.begin(), value.end()));
}

/// The translation regime that the present exception level uses (D8.1.2).
Result<Paging> Arm64Cpu::paging() {
  if (TRY(has_el2())) {
    const std::uint64_t hcr = TRY(regs_.get(reg::hcr_el2));
    const unsigned level = exception_level(TRY(regs_.get(reg::pstate)));
    const bool host = (hcr & hcr_e2h) != 0, user_of_el2 = level == 0 && (hcr & hcr_tge) != 0;
    if (user_of_el2 && !host) return Paging{}; // EL1's stage 1 is off then
    if (level == 2 || user_of_el2) {
      Paging out{TRY(regs_.get(reg::sctlr_el2)), TRY(regs_.get(reg::tcr_el2)),
                 TRY(regs_.get(reg::ttbr0_el2)), 0, !host};
      if (!host) out.tcr = tcr_of_one_range(out.tcr);
      if (host) out.ttbr1 = TRY(regs_.get(reg::ttbr1_el2));
      return out;
    }
  }
  return Paging{TRY(regs_.get(reg::sctlr_el1)), TRY(regs_.get(reg::tcr_el1)),
                TRY(regs_.get(reg::ttbr0_el1)), TRY(regs_.get(reg::ttbr1_el1))};
}

Result<Translation> Arm64Cpu::translate(Address at) {
  if (at.space.kind == Space::Kind::physical) {
    Translation out;
    out.physical = GuestPhys{at.value};
    return out;
  }
  return walk(under(TRY(paging()), at.space), memory_, at.value, Detail::none);
}

Result<std::unique_ptr<PageTables>> Arm64Cpu::page_tables() {
  return std::unique_ptr<PageTables>(std::make_unique<Snapshot>(TRY(paging()), memory_));
}

/// TTBR0's value: a process is known by it. TTBR1 is the kernel's, the same for all.
Result<std::uint64_t> Arm64Cpu::root() {
  const Paging now = TRY(paging());
  return (now.sctlr & sctlr_m) != 0 ? now.ttbr0 : ~std::uint64_t{0};
}

Result<std::optional<std::uint32_t>> Arm64Cpu::word_at(std::uint64_t linear) {
  auto where = translate(Address{linear});
  if (!where && where.error().code == Code::kernel) return where.error();
  std::uint32_t word = 0;
  if (!where || !memory_.load(where->physical, word)) return std::optional<std::uint32_t>{};
  return std::optional(word);
}

std::string Arm64Cpu::describe() {
  auto now = state();
  if (!now) return now.error().what;
  std::string out = fmt::format("EL{}", exception_level(*now));
  if ((*now & pstate_aarch32) != 0) {
    out += (*now & pstate_thumb) != 0 ? ", AArch32 (T32)" : ", AArch32 (A32)";
  } else {
    if (exception_level(*now) != 0) out += (*now & pstate_sp) != 0 ? "h" : "t";
    out += ", AArch64";
  }
  if (auto mmu = paging(); mmu && (mmu->sctlr & sctlr_m) == 0) out += ", MMU off";
  auto power = vcpu_.get<kvm_mp_state>(KVM_GET_MP_STATE);
  if (power && power->mp_state == mp_stopped) out += ", powered off";
  if (power && power->mp_state == mp_suspended) out += ", suspended";
  return out;
}

Result<bool> Arm64Cpu::waiting() {
  const auto power = TRY(vcpu_.get<kvm_mp_state>(KVM_GET_MP_STATE));
  return power.mp_state == mp_stopped || power.mp_state == mp_suspended;
}

/// Powered off, until another vCPU starts it. A WFI is carried out inside KVM, which does not tell.
Result<bool> Arm64Cpu::waits_for_ever() {
  const auto power = TRY(vcpu_.get<kvm_mp_state>(KVM_GET_MP_STATE));
  return power.mp_state == mp_stopped;
}

/// An A64 breakpoint instruction means something else in AArch32 code.
Result<bool> Arm64Cpu::software_points_blocked() {
  return in_aarch32();
}

/// Of the instruction at pc; none for AArch32, which is not decoded.
Result<std::vector<Access>> Arm64Cpu::accesses() {
  std::vector<Access> out;
  if (TRY(in_aarch32())) return out;
  const std::uint64_t at = TRY(regs_.get(reg::pc));
  const auto word = TRY(word_at(at));
  const auto operand = word ? decode_memory(*word, facts_.sve_bytes) : std::nullopt;
  if (!operand || operand->length == 0) return out; // or of vectors of unknown length
  constexpr unsigned last = 31;                     // as a base the stack pointer, as an index zero
  std::uint64_t base = at, index = 0;
  if (!operand->literal) {
    base = TRY(operand->base == last ? stack_pointer() : regs_.get(reg::x(operand->base)));
  }
  if (operand->index && *operand->index != last) index = TRY(regs_.get(reg::x(*operand->index)));
  out.push_back(
      {address_of(*operand, base, index), operand->length, operand->reads, operand->writes});
  return out;
}

} // namespace kdbg::kvm::arm64
