#include "kvm/arch/x86_64/intercept.hpp"

#include "kvm/arch/x86_64/abi.hpp"

#include <fmt/format.h>
#include <linux/kvm.h>

namespace kdbg::kvm::x86 {
namespace {

Status enable(Kernel& kernel, Fd vm, std::uint32_t capability, std::uint64_t argument) {
  kvm_enable_cap request{};
  request.cap = capability;
  request.args[0] = argument;
  TRY(kernel.ioctl(vm, KVM_ENABLE_CAP, &request));
  return Done{};
}

} // namespace

Status intercept(Kernel& kernel, Fd vm, const Intercepts& wanted) {
  if (wanted.registers.size() > max_register_ranges) {
    return Error{Code::bad_request,
                 fmt::format("{} separate ranges of MSRs: KVM filters at most {}",
                             wanted.registers.size(), max_register_ranges)};
  }
  std::array<std::uint8_t, max_filtered / 8> deny{}; // a bit for each MSR; 1 would allow
  MsrFilter filter;
  for (std::size_t i = 0; i < wanted.registers.size(); ++i) {
    filter.ranges[i] = {filter_read | filter_write, wanted.registers[i].count,
                        wanted.registers[i].first, 0, deny.data()};
  }
  if (!wanted.registers.empty()) {
    TRY(enable(kernel, vm, KVM_CAP_X86_USER_SPACE_MSR, KVM_MSR_EXIT_REASON_FILTER));
  }
  TRY(kernel.ioctl(vm, set_msr_filter, &filter));
  // a KVM that has MSR filters need not know of this, and refuses even to have it off
  const int known = TRY(kernel.ioctl(vm, KVM_CHECK_EXTENSION, integer(KVM_CAP_EXIT_HYPERCALL)));
  if (known == 0 && wanted.hypercalls == 0) return Done{};
  return enable(kernel, vm, KVM_CAP_EXIT_HYPERCALL, wanted.hypercalls);
}

} // namespace kdbg::kvm::x86
