// What KVM is told to hand over, on kernels that know it and on those that do not.
#include "kvm/arch/x86_64/intercept.hpp"
#include "tests/arch_contract/x86_rig.hpp"

#include <cerrno>

using namespace kdbg;
using namespace kdbg::kvm;
using kdbg::test::X86Rig;

TEST_CASE("MSRs can be had from a KVM that hands over no hypercalls, and refuses to be asked") {
  X86Rig rig; // the fake knows no extension
  const auto count = [&](unsigned long request) {
    return std::count(rig.kernel.log.begin(), rig.kernel.log.end(), request);
  };
  REQUIRE(x86::intercept(rig.kernel, rig.fd, {{{0x174, 1}}, 0}));
  CHECK(count(KVM_ENABLE_CAP) == 1); // MSR exits alone
  rig.kernel.refused[KVM_ENABLE_CAP] = EINVAL;
  CHECK(x86::intercept(rig.kernel, rig.fd, {}));
  CHECK(count(x86::set_msr_filter) == 2);
  CHECK_FALSE(x86::intercept(rig.kernel, rig.fd, {{}, 1u << 12}));
}
