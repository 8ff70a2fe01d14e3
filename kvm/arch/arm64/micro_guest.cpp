#include "kvm/arch/arm64/micro_guest.hpp"

#include <cerrno>
#include <cstring>

namespace kdbg::kvm::arm64 {
namespace {

constexpr std::uint32_t str_x1_x3 = 0xf9000061, branch_to_itself = 0x14000000;
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

MicroGuest::~MicroGuest() {
  vcpu_.reset();
  if (vm_ != Fd::none) kernel_.close(vm_);
  if (kvm_ != Fd::none) kernel_.close(kvm_);
}

Status MicroGuest::build(std::uint32_t features) {
  constexpr int usual_width = 40; // of guest-physical addresses, which 0 stands for
  kvm_ = TRY(kernel_.open_kvm());
  const int width = TRY(kernel_.ioctl(kvm_, KVM_CHECK_EXTENSION, integer(cap_ipa_size)));
  const bool narrow = width > 0 && width < usual_width;
  const auto type = static_cast<std::uintptr_t>(narrow ? width : 0);
  vm_ = Fd{TRY(kernel_.ioctl(kvm_, KVM_CREATE_VM, integer(type)))};
  memory_ = TRY(kernel_.allocate(memory_size));
  kvm_userspace_memory_region region{};
  region.memory_size = memory_size;
  region.userspace_addr = reinterpret_cast<std::uint64_t>(memory_.data());
  TRY(kernel_.ioctl(vm_, KVM_SET_USER_MEMORY_REGION, &region));
  const Fd fd{TRY(kernel_.ioctl(vm_, KVM_CREATE_VCPU, nullptr))};
  const int size = TRY(kernel_.ioctl(kvm_, KVM_GET_VCPU_MMAP_SIZE, nullptr));
  vcpu_ = std::make_unique<Vcpu>(kernel_, fd, VcpuId{0},
                                 TRY(kernel_.map_run(fd, static_cast<std::size_t>(size))));
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
    put(vectors + n * bytes_per_vector, str_x1_x3);
    put(vectors + n * bytes_per_vector + 4, branch_to_itself);
  }
  TRY(set(reg::mair_el1, mair));
  TRY(set(reg::tcr_el1, tcr));
  TRY(set(reg::ttbr0_el1, table));
  TRY(set(reg::vbar_el1, vectors));
  return set(reg::sctlr_el1, sctlr);
}

void MicroGuest::put(std::uint64_t at, std::uint32_t word) {
  std::memcpy(memory_.data() + at, &word, sizeof word);
}

Status
MicroGuest::load(std::initializer_list<std::uint32_t> code, std::uint64_t state, std::uint64_t x0) {
  TRY(complete());
  code_ = next_code_;
  next_code_ += bytes_per_program; // never fetched before: no instruction cache holds it
  if (next_code_ > memory_size || (code.size() + 2) * 4 > bytes_per_program) {
    return Error{Code::memory_fault, "the probe's guest is too small for its code"};
  }
  std::uint64_t at = code_;
  for (const std::uint32_t word : code) {
    put(at, word);
    at += 4;
  }
  put(at, str_x1_x3);
  put(at + 4, branch_to_itself);
  auto* begin = reinterpret_cast<char*>(memory_.data() + code_);
  __builtin___clear_cache(begin, begin + bytes_per_program);
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
  auto result = vcpu_->run();
  if (result) return true;
  if (result.error().sys_errno == EINTR) return false;
  return result.error();
}

DebugExit MicroGuest::debug_exit() const {
  DebugExit out{};
  std::memcpy(&out, &page().debug, sizeof out);
  return out;
}

Result<bool> MicroGuest::stopped(Cause cause, std::uint64_t pc) {
  constexpr unsigned cause_at = 26;
  if (page().exit_reason != KVM_EXIT_DEBUG) return false;
  return debug_exit().hsr >> cause_at == static_cast<unsigned>(cause) && TRY(get(reg::pc)) == pc;
}

Result<std::uint64_t> MicroGuest::get(std::uint64_t id) {
  std::uint64_t out = 0;
  OneReg request{id, reinterpret_cast<std::uintptr_t>(&out)};
  TRY(vcpu_->ioctl(get_one_reg, &request));
  return out;
}

Status MicroGuest::set(std::uint64_t id, std::uint64_t value) {
  OneReg request{id, reinterpret_cast<std::uintptr_t>(&value)};
  TRY(vcpu_->ioctl(set_one_reg, &request));
  return Done{};
}

std::uint64_t MicroGuest::word(std::uint64_t at) const {
  std::uint64_t out = 0;
  std::memcpy(&out, memory_.data() + at, sizeof out);
  return out;
}

Status MicroGuest::interrupt(bool level) {
  kvm_irq_level line{{0}, level ? 1u : 0u}; // KVM_ARM_IRQ_TYPE_CPU, vCPU 0, IRQ
  TRY(kernel_.ioctl(vm_, KVM_IRQ_LINE, &line));
  return Done{};
}

} // namespace kdbg::kvm::arm64
