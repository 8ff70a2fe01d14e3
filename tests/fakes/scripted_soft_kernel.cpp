#include "tests/fakes/scripted_soft_kernel.hpp"

#include <cerrno>

namespace kdbg::test {

using namespace kvm;

namespace {

constexpr int most_instructions = 100000; // then KVM_RUN is interrupted, so no test can hang
constexpr std::uint64_t size_field = 0x00f0000000000000, size_32 = 0x0020000000000000;

Error failure(int error) {
  return {Code::kernel, "scripted failure", error};
}

} // namespace

Fd ScriptedSoftKernel::add_vcpu(std::uint64_t at) {
  const Fd fd{static_cast<int>(10 + vcpus_.size())};
  auto made = std::make_unique<Vcpu>();
  reset(*made);
  pc(*made) = at;
  vcpus_[fd] = std::move(made);
  return fd;
}

Result<std::span<std::byte>> ScriptedSoftKernel::map_run(Fd fd, std::size_t) {
  return std::span(vcpus_.at(fd)->run);
}

Result<int> ScriptedSoftKernel::system(unsigned long request, void* argument) {
  switch (request) {
  case KVM_CHECK_EXTENSION:
    return extension[reinterpret_cast<unsigned long>(argument)];
  case KVM_CREATE_VM:
    return 4;
  case KVM_SET_USER_MEMORY_REGION:
    return 0;
  case KVM_CREATE_VCPU:
    return static_cast<int>(add_vcpu(0));
  case KVM_GET_VCPU_MMAP_SIZE:
    return 0x3000;
  default:
    return failure(ENOTTY);
  }
}

Result<int> ScriptedSoftKernel::ioctl(Fd fd, unsigned long request, void* argument) {
  log.push_back(request);
  if (fail_in_ >= 0 && fail_in_-- == 0) return failure(error_);
  if (const auto refusal = refused.find(request); refusal != refused.end()) {
    return failure(refusal->second);
  }
  const auto found = vcpus_.find(fd);
  if (found == vcpus_.end()) return system(request, argument);
  Vcpu& vcpu = *found->second;
  switch (request) {
  case KVM_RUN: {
    const int error = run(fd, vcpu);
    vcpu.reservation.reset();
    return error == 0 ? Result<int>(0) : failure(error);
  }
  case KVM_GET_ONE_REG:
  case KVM_SET_ONE_REG:
    return one_reg(vcpu, request == KVM_SET_ONE_REG, *static_cast<kvm_one_reg*>(argument));
  case set_plain_guest_debug: {
    const std::uint32_t control = static_cast<PlainGuestDebug*>(argument)->control;
    if ((control & unknown_control()) != 0) return failure(EINVAL);
    vcpu.control = (control & plain_debug_enable) != 0 ? control : 0;
    return 0;
  }
  case KVM_GET_MP_STATE:
    static_cast<kvm_mp_state*>(argument)->mp_state = vcpu.mp_state;
    return 0;
  default:
    return other(vcpu, request, argument);
  }
}

Result<int> ScriptedSoftKernel::other(Vcpu&, unsigned long, void*) {
  return failure(ENOTTY);
}

Result<int> ScriptedSoftKernel::one_reg(Vcpu& vcpu, bool write, const kvm_one_reg& request) {
  if (!has_register(request.id)) return failure(ENOENT);
  const std::size_t bytes = (request.id & size_field) == size_32 ? 4 : 8;
  auto* theirs = reinterpret_cast<void*>(request.addr);
  std::uint64_t& ours = vcpu.regs[request.id];
  if (!write) {
    std::memcpy(theirs, &ours, bytes);
    return 0;
  }
  std::memcpy(&ours, theirs, bytes);
  written(vcpu, request.id);
  return 0;
}

/// One entry: until an exit. Returns an errno.
int ScriptedSoftKernel::run(Fd fd, Vcpu& vcpu) {
  kvm_run& page = vcpu.page();
  if (std::exchange(vcpu.completes_mmio, false)) complete_mmio(vcpu);
  for (int i = 0; i < most_instructions; ++i) {
    if (before_instruction) before_instruction(fd, pc(vcpu));
    if (page.immediate_exit != 0) {
      page.exit_reason = KVM_EXIT_INTR;
      return EINTR;
    }
    page.exit_reason = KVM_EXIT_UNKNOWN;
    step(vcpu);
    ++executed;
    if (page.exit_reason != KVM_EXIT_UNKNOWN) return 0;
    if (steps && (vcpu.control & plain_debug_single_step) != 0) {
      page.exit_reason = KVM_EXIT_DEBUG;
      return 0;
    }
  }
  return EINTR;
}

void ScriptedSoftKernel::exit_mmio(Vcpu& vcpu,
                                   std::uint64_t at,
                                   std::uint64_t value,
                                   unsigned bytes) {
  kvm_run& page = vcpu.page();
  page.exit_reason = KVM_EXIT_MMIO;
  page.mmio.phys_addr = at;
  page.mmio.len = bytes;
  page.mmio.is_write = 1;
  std::memcpy(page.mmio.data, &value, sizeof value);
  vcpu.completes_mmio = true;
}

std::uint64_t ScriptedSoftKernel::load(std::uint64_t physical, unsigned bytes) const {
  std::uint64_t out = 0;
  std::memcpy(&out, memory_.data() + physical, bytes);
  return out;
}

void ScriptedSoftKernel::store(std::uint64_t physical, std::uint64_t value, unsigned bytes) {
  std::memcpy(memory_.data() + physical, &value, bytes);
  for (auto& [fd, other] : vcpus_) {
    if (other->reservation == physical) other->reservation.reset();
  }
}

} // namespace kdbg::test
