#include "kvm/small_guest.hpp"

#include <cerrno>

namespace kdbg::kvm {

SmallGuest::~SmallGuest() {
  vcpu_.reset();
  if (vm_ != Fd::none) kernel_.close(vm_);
  if (kvm_ != Fd::none) kernel_.close(kvm_);
}

Status SmallGuest::create_vm(std::uintptr_t type, std::size_t spare) {
  kvm_ = TRY(kernel_.open_kvm());
  vm_ = Fd{TRY(kernel_.ioctl(kvm_, KVM_CREATE_VM, integer(type)))};
  memory_ = TRY(kernel_.allocate(memory_size + spare));
  kvm_userspace_memory_region region{};
  region.memory_size = memory_size;
  region.userspace_addr = reinterpret_cast<std::uint64_t>(memory_.data());
  TRY(kernel_.ioctl(vm_, KVM_SET_USER_MEMORY_REGION, &region));
  return Done{};
}

Status SmallGuest::create_vcpu() {
  const Fd fd{TRY(kernel_.ioctl(vm_, KVM_CREATE_VCPU, nullptr))};
  const int size = TRY(kernel_.ioctl(kvm_, KVM_GET_VCPU_MMAP_SIZE, nullptr));
  vcpu_ = std::make_unique<Vcpu>(kernel_, fd, VcpuId{0},
                                 TRY(kernel_.map_run(fd, static_cast<std::size_t>(size))));
  return Done{};
}

Status SmallGuest::put(std::uint64_t at, std::span<const std::uint32_t> instructions) {
  if (Ram({{0, memory_}}).write(GuestPhys{at}, std::as_bytes(instructions)) ==
      instructions.size_bytes()) {
    return Done{};
  }
  return Error{Code::memory_fault, "the probe's guest is too small for its code"};
}

Result<std::uint64_t> SmallGuest::get(std::uint64_t id) {
  std::uint64_t out = 0;
  kvm_one_reg request{id, reinterpret_cast<std::uint64_t>(&out)};
  TRY(vcpu_->ioctl(KVM_GET_ONE_REG, &request));
  return out;
}

Status SmallGuest::set(std::uint64_t id, std::uint64_t value) {
  kvm_one_reg request{id, reinterpret_cast<std::uint64_t>(&value)};
  TRY(vcpu_->ioctl(KVM_SET_ONE_REG, &request));
  return Done{};
}

Result<bool> SmallGuest::run() {
  auto result = vcpu_->run();
  if (result) return true;
  if (result.error().sys_errno == EINTR) return false;
  return result.error();
}

std::uint64_t SmallGuest::word(std::uint64_t at) const {
  std::uint64_t out = 0;
  std::memcpy(&out, memory_.data() + at, sizeof out);
  return out;
}

Result<int> advertised(Kernel& kernel, unsigned long capability) {
  const Fd kvm = TRY(kernel.open_kvm());
  auto answer = kernel.ioctl(kvm, KVM_CHECK_EXTENSION, integer(capability));
  kernel.close(kvm);
  return answer ? *answer : 0;
}

} // namespace kdbg::kvm
