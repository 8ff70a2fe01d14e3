// On an x86 host, the mirrors in abi.hpp must be what the kernel header says.
#include "kvm/arch/x86_64/abi.hpp"

#ifdef __x86_64__
#include <linux/kvm.h>

namespace kdbg::kvm::x86 {

static_assert(sizeof(Regs) == sizeof(kvm_regs) && sizeof(Sregs) == sizeof(kvm_sregs));
static_assert(offsetof(Sregs, apic_base) == offsetof(kvm_sregs, apic_base));
static_assert(sizeof(DebugRegs) == sizeof(kvm_debugregs));
static_assert(sizeof(VcpuEvents) == sizeof(kvm_vcpu_events));
static_assert(offsetof(VcpuEvents, exception_payload) ==
              offsetof(kvm_vcpu_events, exception_payload));
static_assert(offsetof(VcpuEvents, exception_has_payload) ==
              offsetof(kvm_vcpu_events, exception_has_payload));
static_assert(sizeof(GuestDebug) == sizeof(kvm_guest_debug));
static_assert(sizeof(DebugExit) == sizeof(kvm_debug_exit_arch));
static_assert(sizeof(SyncRegs) == sizeof(kvm_sync_regs) && sizeof(Xcrs) == sizeof(kvm_xcrs));
static_assert(sizeof(MsrEntry) == sizeof(kvm_msr_entry) &&
              sizeof(Xsave) == sizeof(kvm_xsave::region));
static_assert(get_regs == KVM_GET_REGS && set_regs == KVM_SET_REGS);
static_assert(get_sregs == KVM_GET_SREGS && set_sregs == KVM_SET_SREGS);
static_assert(get_lapic == KVM_GET_LAPIC && set_lapic == KVM_SET_LAPIC);
static_assert(get_pit2 == KVM_GET_PIT2 && set_pit2 == KVM_SET_PIT2);
static_assert(lapic_size == sizeof(kvm_lapic_state) && pit_size == sizeof(kvm_pit_state2));
static_assert(get_debugregs == KVM_GET_DEBUGREGS && set_debugregs == KVM_SET_DEBUGREGS);
static_assert(get_events == KVM_GET_VCPU_EVENTS && set_events == KVM_SET_VCPU_EVENTS);
// kvm_xsave, kvm_msrs and kvm_cpuid2 end in flexible arrays, which make them larger in C++ than in
// C: there KVM's macros give numbers that the kernel does not know. So the numbers are built from
// C's sizes.
static_assert(get_xsave == _IOC(_IOC_READ, KVMIO, 0xa4, sizeof(kvm_xsave::region)));
static_assert(set_xsave == _IOC(_IOC_WRITE, KVMIO, 0xa5, sizeof(kvm_xsave::region)));
#ifdef KVM_CAP_XSAVE2 // Linux 5.17
static_assert(get_xsave2 == _IOC(_IOC_READ, KVMIO, 0xcf, sizeof(kvm_xsave::region)));
static_assert(cap_xsave2 == KVM_CAP_XSAVE2);
#endif
static_assert(set_msr_filter == KVM_X86_SET_MSR_FILTER &&
              sizeof(MsrFilter) == sizeof(kvm_msr_filter));
static_assert(sizeof(MsrFilterRange) == sizeof(kvm_msr_filter_range) &&
              offsetof(MsrFilterRange, bitmap) == offsetof(kvm_msr_filter_range, bitmap));
static_assert(get_msrs == _IOC(_IOC_READ | _IOC_WRITE, KVMIO, 0x88, 8));
static_assert(sizeof(CpuidEntry) == sizeof(kvm_cpuid_entry2));
static_assert(get_supported_cpuid == _IOC(_IOC_READ | _IOC_WRITE, KVMIO, 0x05, 8));
static_assert(set_cpuid == _IOC(_IOC_WRITE, KVMIO, 0x90, 8));
static_assert(set_msrs == _IOC(_IOC_WRITE, KVMIO, 0x89, 8));
static_assert(get_xcrs == KVM_GET_XCRS && set_xcrs == KVM_SET_XCRS);
static_assert(set_guest_debug == KVM_SET_GUEST_DEBUG);
static_assert(debug_block_irq == KVM_GUESTDBG_BLOCKIRQ &&
              debug_inject_bp == KVM_GUESTDBG_INJECT_BP);
static_assert(events_shadow == KVM_VCPUEVENT_VALID_SHADOW &&
              events_payload == KVM_VCPUEVENT_VALID_PAYLOAD);

} // namespace kdbg::kvm::x86
#endif
