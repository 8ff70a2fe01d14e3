#include "kvm/arch/arm64/micro_guest.hpp"

#include <cerrno>
#include <cstring>

namespace kdbg::kvm::arm64 {
namespace {

constexpr std::uint32_t ending[] = {0xf9000061, 0x14000000}; // str x1, [x3]; b .
constexpr std::uint64_t vector_count = 16, bytes_per_vector = 0x80, bytes_per_program = 0x100;

// 39 bits of 4 KiB, write-back, inner shareable, no upper half; attributes 0 are normal memory
constexpr std::uint64_t tcr = 25 | 1u << 8 | 1u << 10 | 3u << 12 | 1u << 23, mair = 0xff;
constexpr std::uint64_t one_gib_block = 1 | 3u << 8 | 1u << 10; // inner shareable, accessed
constexpr std::uint64_t sctlr = 0x30d00800 | 1u << 12 | 1u << 2 | sctlr_m; // I, C, M

} // namespace

Result<std::unique_ptr<MicroGuest>> MicroGuest::create(Kernel& kernel, std::uint32_t features) {
  std::unique_ptr<MicroGuest> guest(new MicroGuest(kernel));
  TRY(guest->build(features));
  return guest;
}

Status MicroGuest::build(std::uint32_t features) {
  constexpr int usual_width = 40; // of guest-physical addresses, which 0 stands for
  const int width = TRY(advertised(kernel_, cap_ipa_size));
  const bool narrow = width > 0 && width < usual_width;
  TRY(create_vm(static_cast<std::uintptr_t>(narrow ? width : 0)));
  TRY(create_vcpu());
  VcpuInit init{};
  TRY(kernel_.ioctl(vm_, preferred_target, &init));
  init.features[0] |= features;
  TRY(vcpu_->ioctl(vcpu_init, &init));
  if ((features >> feature_sve & 1) != 0) {
    int feature = feature_sve;
    TRY(vcpu_->ioctl(vcpu_finalize, &feature));
  }
  return switch_mmu_on();
}

/// With the MMU off the guest would bypass the caches, in which our writes may still be.
Status MicroGuest::switch_mmu_on() {
  std::memcpy(memory_.data() + table, &one_gib_block, sizeof one_gib_block);
  for (std::uint64_t n = 0; n < vector_count; ++n) {
    TRY(put(vectors + n * bytes_per_vector, ending));
  }
  TRY(set(reg::mair_el1, mair));
  TRY(set(reg::tcr_el1, tcr));
  TRY(set(reg::ttbr0_el1, table));
  TRY(set(reg::vbar_el1, vectors));
  return set(reg::sctlr_el1, sctlr);
}

Status
MicroGuest::load(std::initializer_list<std::uint32_t> code, std::uint64_t state, std::uint64_t x0) {
  TRY(complete());
  code_ = next_code_;
  next_code_ += bytes_per_program; // never fetched before: no instruction cache holds it
  std::vector<std::uint32_t> program(code);
  program.insert(program.end(), std::begin(ending), std::end(ending));
  if (next_code_ > memory_size || program.size() * sizeof ending[0] > bytes_per_program) {
    return Error{Code::memory_fault, "the probe's guest is too small for its code"};
  }
  TRY(put(code_, program));
  TRY(set(reg::pc, code_));
  TRY(set(reg::pstate, state));
  TRY(set(reg::x(0), x0));
  TRY(set(reg::x(1), 0x1234));
  TRY(set(reg::x(2), data));
  return set(reg::x(3), mmio);
}

Status MicroGuest::debug(std::uint32_t control) {
  GuestDebug out{};
  out.control = control == 0 ? 0 : control | debug_enable;
  return debug(out);
}

/// KVM ends an instruction that userspace served, pc and all, only when the vCPU is entered again.
Status MicroGuest::complete() {
  if (page().exit_reason != KVM_EXIT_MMIO) return Done{};
  page().exit_reason = KVM_EXIT_UNKNOWN;
  auto done = vcpu_->complete_exit();
  return done || done.error().sys_errno == EINTR ? Status{Done{}} : done.error();
}

Result<bool> MicroGuest::run() {
  page().exit_reason = KVM_EXIT_UNKNOWN; // EINTR would leave the last one
  return SmallGuest::run();
}

Result<bool> MicroGuest::stopped(Cause cause, std::uint64_t pc) {
  constexpr unsigned cause_at = 26;
  if (page().exit_reason != KVM_EXIT_DEBUG) return false;
  return debug_exit().hsr >> cause_at == static_cast<unsigned>(cause) && TRY(get(reg::pc)) == pc;
}

Status MicroGuest::interrupt(bool level) {
  kvm_irq_level line{{0}, level ? 1u : 0u}; // KVM_ARM_IRQ_TYPE_CPU, vCPU 0, IRQ
  TRY(kernel_.ioctl(vm_, KVM_IRQ_LINE, &line));
  return Done{};
}

} // namespace kdbg::kvm::arm64
