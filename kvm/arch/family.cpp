#include "kvm/arch/family.hpp"

#include "kvm/arch/arm64/arch.hpp"
#include "kvm/arch/arm64/probe.hpp"
#ifdef KVMDBG_X86_64
#include "kvm/arch/x86_64/arch.hpp"
#include "kvm/arch/x86_64/probe.hpp"
#endif

#include <algorithm>
#include <elf.h>
#include <fmt/format.h>
#include <sys/utsname.h>

namespace kdbg::kvm {

std::span<const Family> families() {
  static constexpr Family table[] = {
#ifdef KVMDBG_X86_64
      {"x86_64", EM_X86_64, &x86::probe, &make_x86_64},
#endif
      {"aarch64", EM_AARCH64, &arm64::probe, &make_arm64},
  };
  return table;
}

Result<const Family*> family(std::string_view machine) {
  const auto known = families();
  const auto found = std::find_if(known.begin(), known.end(),
                                  [&](const Family& f) { return f.machine == machine; });
  if (found != known.end()) return &*found;
  return Error{Code::unsupported, fmt::format("kvmdbg does not debug guests of {}", machine)};
}

Result<const Family*> host_family() {
  utsname name{};
  ::uname(&name);
  return family(name.machine);
}

} // namespace kdbg::kvm
