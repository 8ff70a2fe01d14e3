#pragma once
/// x86's model-specific registers by name (SDM vol. 4, table 2-2; AMD APM vol. 2, appendix A):
/// those that tell something of a system. A processor has not all of them. Knows no guest.
#include <algorithm>
#include <cctype>
#include <cstdint>
#include <iterator>
#include <string_view>

namespace kdbg {

struct Msr {
  std::uint32_t number;
  std::string_view name; ///< in small letters; of a register that debuggers have, its name there
};

inline constexpr Msr msrs[] = {
    {0x10, "tsc"},
    {0x1b, "apic_base"},
    {0x3a, "feature_control"},
    {0x3b, "tsc_adjust"},
    {0x48, "spec_ctrl"},
    {0x8b, "microcode"},
    {0xfe, "mtrr_cap"},
    {0x10a, "arch_capabilities"},
    {0x174, "sysenter_cs"},
    {0x175, "sysenter_esp"},
    {0x176, "sysenter_eip"},
    {0x179, "mcg_cap"},
    {0x17a, "mcg_status"},
    {0x1a0, "misc_enable"},
    {0x1d9, "debugctl"},
    {0x277, "pat"},
    {0x2ff, "mtrr_def_type"},
    {0x345, "perf_capabilities"},
    {0x6a0, "u_cet"},
    {0x6a2, "s_cet"},
    {0x6e0, "tsc_deadline"},
    {0xda0, "xss"},
    {0xc0000080, "efer"},
    {0xc0000081, "star"},
    {0xc0000082, "lstar"},
    {0xc0000083, "cstar"},
    {0xc0000084, "sfmask"},
    {0xc0000100, "fs_base"},
    {0xc0000101, "gs_base"},
    {0xc0000102, "k_gs_base"},
    {0xc0000103, "tsc_aux"},
    {0xc0010015, "hwcr"},
    // Documentation/virt/kvm/x86/msr.rst
    {0x4b564d00, "kvm_wall_clock"},
    {0x4b564d01, "kvm_system_time"},
    {0x4b564d02, "kvm_async_pf_en"},
    {0x4b564d03, "kvm_steal_time"},
    {0x4b564d04, "kvm_eoi_en"},
};

/// nullptr when the table has none of that number.
inline const Msr* find_msr(std::uint64_t number) {
  const auto found = std::find_if(std::begin(msrs), std::end(msrs),
                                  [&](const Msr& one) { return one.number == number; });
  return found == std::end(msrs) ? nullptr : found;
}

/// The same by name, in either case of letters.
inline const Msr* find_msr(std::string_view name) {
  const auto same = [](unsigned char a, unsigned char b) { return std::tolower(a) == b; };
  const auto found = std::find_if(std::begin(msrs), std::end(msrs), [&](const Msr& one) {
    return std::equal(name.begin(), name.end(), one.name.begin(), one.name.end(), same);
  });
  return found == std::end(msrs) ? nullptr : found;
}

} // namespace kdbg
