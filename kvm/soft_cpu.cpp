#include "kvm/soft_cpu.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fmt/format.h>

namespace kdbg::kvm {
namespace {

constexpr std::uint64_t page_size = 4096; // the smallest of either architecture
constexpr std::uint64_t id_size = 0x00f0000000000000, id_size_32 = 0x0020000000000000;

std::uint64_t mask_of(const Source& source) {
  return source.bits == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << source.bits) - 1;
}

} // namespace

bool SoftCpu::registers_at_hand() const {
  return std::all_of(walked_by_.begin(), walked_by_.end(),
                     [this](std::uint64_t id) { return known(id); });
}

bool SoftCpu::at_hand(RegisterId id) const {
  return source(id).id == Source::none || known(source(id).id);
}

void SoftCpu::exited() {
  known_.clear();
  may_wait_ = false;
}

Result<std::uint64_t> SoftCpu::fetch(std::uint64_t id) {
  std::uint64_t wide = 0;
  std::uint32_t narrow = 0;
  const bool is_narrow = (id & id_size) == id_size_32;
  void* out = is_narrow ? static_cast<void*>(&narrow) : &wide;
  kvm_one_reg request{id, reinterpret_cast<std::uint64_t>(out)};
  TRY(vcpu_.ioctl(KVM_GET_ONE_REG, &request));
  return is_narrow ? narrow : wide;
}

Status SoftCpu::store(std::uint64_t id, std::uint64_t value) {
  auto narrow = static_cast<std::uint32_t>(value);
  const bool is_narrow = (id & id_size) == id_size_32;
  void* in = is_narrow ? static_cast<void*>(&narrow) : &value;
  kvm_one_reg request{id, reinterpret_cast<std::uint64_t>(in)};
  TRY(vcpu_.ioctl(KVM_SET_ONE_REG, &request));
  return Done{};
}

Result<std::uint64_t> SoftCpu::get(std::uint64_t id) {
  if (const auto found = known_.find(id); found != known_.end()) return found->second;
  return known_[id] = TRY(fetch(id));
}

Status SoftCpu::set(std::uint64_t id, std::uint64_t value) {
  known_.erase(id); // KVM may keep only some of its bits
  return store(id, value);
}

Result<GuestVirt> SoftCpu::pc() {
  return GuestVirt{TRY(get(source(info_.pc).id))};
}

Result<Bytes> SoftCpu::read(RegisterId id) {
  const Source from = source(id);
  std::uint64_t value = 0;
  if (from.id != Source::none) {
    auto got = get(from.id);
    if (!got && (got.error().sys_errno == ENOENT || got.error().sys_errno == EINVAL)) {
      return Error{Code::unsupported,
                   fmt::format("this CPU has no {}", info_.registers[index(id)].name),
                   got.error().sys_errno};
    }
    value = TRY(std::move(got)) >> from.shift & mask_of(from);
  }
  Bytes out(info_.registers[index(id)].bits / 8u);
  std::memcpy(out.data(), &value, std::min(out.size(), sizeof value));
  return out;
}

Status SoftCpu::write(RegisterId id, ByteView value) {
  const RegisterInfo& info = info_.registers[index(id)];
  if (value.size() != info.bits / 8u) {
    return Error{Code::bad_request,
                 fmt::format("{} takes {} bytes, not {}", info.name, info.bits / 8, value.size())};
  }
  std::uint64_t bits = 0;
  std::memcpy(&bits, value.data(), std::min(value.size(), sizeof bits));
  const Source to = source(id);
  if (to.id == Source::none) {
    if (bits == 0) return Done{};
    return Error{Code::bad_request,
                 fmt::format("{} is always 0; it cannot become {:#x}", info.name, bits)};
  }
  const std::uint64_t mask = mask_of(to);
  if ((bits & ~mask) != 0) {
    return Error{Code::bad_request,
                 fmt::format("{} has {} bits; {:#x} does not fit", info.name, to.bits, bits)};
  }
  std::uint64_t whole = bits;
  if (to.bits != 64) whole = (TRY(get(to.id)) & ~(mask << to.shift)) | bits << to.shift;
  if (auto done = set(to.id, whole); !done) {
    return Error{done.error().code,
                 fmt::format("{} does not take {:#x}: {}", info.name, bits, done.error().what),
                 done.error().sys_errno};
  }
  return Done{};
}

Result<bool> SoftCpu::waiting() {
  const auto state = TRY(vcpu_.get<kvm_mp_state>(KVM_GET_MP_STATE));
  return state.mp_state == KVM_MP_STATE_STOPPED;
}

Status SoftCpu::arm(const DebugPlan& plan) {
  const bool slots = std::any_of(plan.slots.begin(), plan.slots.end(),
                                 [](const auto& slot) { return slot.has_value(); });
  if (plan.step || slots) {
    return Error{Code::unsupported,
                 fmt::format("KVM for {} neither steps nor has debug registers", info_.name)};
  }
  const std::uint32_t want = plan.software ? plain_debug_enable | plain_debug_use_sw_bp : 0;
  if (armed_ == want) return Done{};
  armed_.reset();
  TRY(vcpu_.set(set_plain_guest_debug, PlainGuestDebug{want}));
  armed_ = want;
  return Done{};
}

Result<bool> SoftCpu::step_progressed() {
  return TRY(pc()).value != stepped_from_;
}

/// The exit has nothing to say but that it is one; its pc is the vCPU's, at the instruction.
Result<std::optional<Trap>> SoftCpu::decode_exit() {
  if (vcpu_.run_page().exit_reason != KVM_EXIT_DEBUG) return std::optional<Trap>{};
  return std::optional(Trap{.software = true});
}

Result<Bytes> SoftCpu::code_at(std::uint64_t at, std::size_t length) {
  Bytes out(length);
  std::size_t got = 0;
  while (got < length) {
    auto where = translate(Address{at + got});
    if (!where && where.error().code == Code::kernel) return where.error();
    if (!where) break;
    const auto rest = std::span(out).subspan(
        got, std::min<std::size_t>(length - got, page_size - (at + got) % page_size));
    const std::size_t read = memory_.read(where->physical, rest);
    got += read;
    if (read != rest.size()) break;
  }
  out.resize(got);
  return out;
}

Result<StepPlan> SoftCpu::end_at(std::uint64_t next, std::uint64_t handler) {
  StepPlan plan;
  plan.ends[0] = next;
  if (TRY(code_at(next, 1)).empty()) plan.ends[1] = handler;
  return plan;
}

} // namespace kdbg::kvm
