#include "protocols/dap/message/msrs.hpp"

#include <algorithm>

namespace kdbg::dap {
namespace {

constexpr Msr table[] = {
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

} // namespace

const std::span<const Msr> msrs = table;

const Msr* find_msr(std::string_view name) {
  const auto found = std::find_if(std::begin(table), std::end(table),
                                  [&](const Msr& one) { return one.name == name; });
  return found == std::end(table) ? nullptr : found;
}

} // namespace kdbg::dap
