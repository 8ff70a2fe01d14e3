#include "kvm/arch/family.hpp"

#include "kvm/arch/arm64/arch.hpp"
#include "kvm/arch/arm64/probe.hpp"
#include "kvm/arch/loongarch64/arch.hpp"
#include "kvm/arch/loongarch64/probe.hpp"
#include "kvm/arch/riscv64/arch.hpp"
#include "kvm/arch/riscv64/probe.hpp"
#ifdef KVMDBG_X86_64
#include "kvm/arch/x86_64/arch.hpp"
#include "kvm/arch/x86_64/probe.hpp"
#endif

#include <algorithm>
#include <cerrno>
#include <elf.h>
#include <fmt/format.h>
#include <sys/utsname.h>

namespace kdbg::kvm {
namespace {

// One row for each architecture, by its name in uname(2).
constexpr Family known[] = {
#ifdef KVMDBG_X86_64
    {"x86_64", EM_X86_64, x86::probe, make_x86_64},
#endif
    {"aarch64", EM_AARCH64, arm64::probe, make_arm64},
    {"loongarch64", EM_LOONGARCH, loongarch64::probe, make_loongarch64},
    {"riscv64", EM_RISCV, riscv64::probe, make_riscv64},
};

/// Architectures that have KVM, and why kvmdbg is not for them.
struct Absent {
  std::string_view machine;
  std::string_view why;
};
constexpr std::string_view s390x =
                               "its KVM tells of breakpoints as intercepts (instruction 0x0000 "
                               "with KVM_CAP_S390_USER_INSTR0) and steps by PER, none of which "
                               "kvmdbg speaks; without PER KVM_SET_GUEST_DEBUG fails with EINVAL",
                           ppc =
                               "its breakpoint instruction is in KVM_REG_PPC_DEBUG_INST, and only "
                               "KVM PR steps (KVM_CAP_PPC_GUEST_DEBUG_SSTEP), neither of which "
                               "kvmdbg speaks",
                           mips = "its KVM has no KVM_SET_GUEST_DEBUG: the call fails with ENOTTY";
constexpr Absent absent[] = {
    {"s390x", s390x}, {"ppc64", ppc}, {"ppc64le", ppc}, {"mips", mips}, {"mips64", mips}};

} // namespace

std::span<const Family> families() {
  return known;
}

Result<const Family*> family(std::string_view machine) {
  const auto named = [&](const auto& row) { return row.machine == machine; };
  if (const auto* found = std::find_if(std::begin(known), std::end(known), named);
      found != std::end(known)) {
    return found;
  }
  std::string names;
  for (const Family& one : known) {
    names += fmt::format("{}{}", names.empty() ? "" : ", ", one.machine);
  }
  const auto* found = std::find_if(std::begin(absent), std::end(absent), named);
  const std::string_view why =
      found != std::end(absent) ? found->why : "kvmdbg has no code for this architecture";
  return Error{Code::unsupported,
               fmt::format("guests of {} are not supported: {}. kvmdbg knows {}; elsewhere use the "
                           "debugger's server of the VMM (qemu -gdb)",
                           machine, why, names)};
}

Result<const Family*> host_family() {
  utsname host{};
  if (uname(&host) != 0) return Error{Code::kernel, "uname failed", errno};
  return family(host.machine);
}

} // namespace kdbg::kvm
