#pragma once
/// KVM's x86 structures and ioctl numbers, mirrored so that this folder compiles on any host
/// (Linux arch/x86/include/uapi/asm/kvm.h). Checked against the real header on x86.
#include <array>
#include <cstddef>
#include <cstdint>

namespace kdbg::kvm::x86 {

struct Regs {
  std::uint64_t rax, rbx, rcx, rdx, rsi, rdi, rsp, rbp;
  std::uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
  std::uint64_t rip, rflags;
};

struct Segment {
  std::uint64_t base;
  std::uint32_t limit;
  std::uint16_t selector;
  std::uint8_t type, present, dpl, db, s, l, g, avl, unusable, padding;
};

/// Base 0, limit 4 GiB, ring 0. `type` as in a descriptor: 11 code, 3 data, both accessed.
constexpr Segment flat(std::uint16_t selector, std::uint8_t type, bool long_mode) {
  Segment out{};
  out.limit = 0xffffffff;
  out.selector = selector;
  out.type = type;
  out.present = out.s = out.g = 1;
  out.l = long_mode ? 1 : 0;
  out.db = long_mode ? 0 : 1;
  return out;
}

struct DescriptorTable {
  std::uint64_t base;
  std::uint16_t limit;
  std::uint16_t padding[3];
};

struct Sregs {
  Segment cs, ds, es, fs, gs, ss, tr, ldt;
  DescriptorTable gdt, idt;
  std::uint64_t cr0, cr2, cr3, cr4, cr8, efer, apic_base;
  std::uint64_t interrupt_bitmap[4];
};

struct DebugRegs {
  std::uint64_t db[4], dr6, dr7, flags, reserved[9];
};

struct VcpuEvents {
  struct {
    std::uint8_t injected, nr, has_error_code, pending;
    std::uint32_t error_code;
  } exception;
  struct {
    std::uint8_t injected, nr, soft, shadow;
  } interrupt;
  struct {
    std::uint8_t injected, pending, masked, pad;
  } nmi;
  std::uint32_t sipi_vector, flags;
  struct {
    std::uint8_t smm, pending, smm_inside_nmi, latched_init;
  } smi;
  std::uint8_t triple_fault_pending, reserved[26], exception_has_payload;
  std::uint64_t exception_payload;
};

struct GuestDebug {
  std::uint32_t control, pad;
  std::uint64_t debugreg[8];
  bool operator==(const GuestDebug&) const = default;
};

struct DebugExit {
  std::uint32_t exception, pad;
  std::uint64_t pc, dr6, dr7;
};

struct SyncRegs {
  Regs regs;
  Sregs sregs;
  VcpuEvents events;
};

struct MsrEntry {
  std::uint32_t index, reserved;
  std::uint64_t data;
};
/// struct kvm_msrs with room for one: its flexible array cannot stand in a C++ value.
struct OneMsr {
  std::uint32_t count = 1, pad = 0;
  MsrEntry entry{};
};

/// struct kvm_cpuid2 with room for every leaf of today's CPUs.
struct CpuidEntry {
  std::uint32_t function, index, flags, eax, ebx, ecx, edx, padding[3];
};
struct Cpuid {
  std::uint32_t count = 256, pad = 0;
  CpuidEntry entries[256] = {};
};

using Xsave = std::array<std::byte, 4096>;
struct Xcrs {
  std::uint32_t count, flags;
  struct {
    std::uint32_t xcr, reserved;
    std::uint64_t value;
  } xcrs[16];
  std::uint64_t padding[16];
};

/// kvm_msr_filter: a 0 bit in a range's bitmap makes the access exit.
struct MsrFilterRange {
  std::uint32_t flags = 0, count = 0, first = 0, padding = 0;
  std::uint8_t* bitmap = nullptr;
};
struct MsrFilter {
  std::uint32_t flags = 0, padding = 0; // 0: what no range names is allowed
  MsrFilterRange ranges[16];
};
inline constexpr std::uint32_t filter_read = 1, filter_write = 2;

// ioctl numbers: the size of the structure is part of them, so the host's macros are no use
// elsewhere.
inline constexpr unsigned long get_regs = 0x8090ae81, set_regs = 0x4090ae82;
inline constexpr unsigned long get_sregs = 0x8138ae83, set_sregs = 0x4138ae84;
inline constexpr unsigned long get_debugregs = 0x8080aea1, set_debugregs = 0x4080aea2;
inline constexpr unsigned long get_events = 0x8040ae9f, set_events = 0x4040aea0;
inline constexpr unsigned long get_xsave = 0x9000aea4, set_xsave = 0x5000aea5;
/// For areas larger than that: KVM_CAP_XSAVE2 says how large. KVM_SET_XSAVE takes both.
inline constexpr unsigned long get_xsave2 = 0x9000aecf, cap_xsave2 = 208;
inline constexpr unsigned long get_msrs = 0xc008ae88, set_msrs = 0x4008ae89;
inline constexpr unsigned long get_xcrs = 0x8188aea6, set_xcrs = 0x4188aea7;
inline constexpr unsigned long set_guest_debug = 0x4048ae9b;
inline constexpr unsigned long set_msr_filter = 0x4188aec6;
inline constexpr unsigned long get_lapic = 0x8400ae8e, set_lapic = 0x4400ae8f;
inline constexpr unsigned long get_pit2 = 0x8070ae9f, set_pit2 = 0x4070aea0;
inline constexpr std::size_t lapic_size = 1024, pit_size = 112; // bytes of their structures
inline constexpr std::uint32_t irqchips = 3;                    // PIC master, slave, IOAPIC
inline constexpr unsigned long get_supported_cpuid = 0xc008ae05, set_cpuid = 0x4008ae90;

// kvm_guest_debug.control
inline constexpr std::uint32_t debug_enable = 1u << 0, debug_single_step = 1u << 1;
inline constexpr std::uint32_t debug_use_sw_bp = 1u << 16, debug_use_hw_bp = 1u << 17;
inline constexpr std::uint32_t debug_inject_db = 1u << 18, debug_inject_bp = 1u << 19;
inline constexpr std::uint32_t debug_block_irq = 1u << 20;

// kvm_run.kvm_valid_regs
inline constexpr std::uint64_t sync_regs = 1, sync_sregs = 2;
// kvm_vcpu_events.flags
inline constexpr std::uint32_t events_shadow = 4, events_payload = 16;

// RFLAGS, CR0, CR4, EFER (SDM vol. 1, 3.4.3; vol. 3, 2.5)
inline constexpr std::uint64_t flag_tf = 1u << 8, flag_if = 1u << 9, flag_rf = 1u << 16,
                               flag_vm = 1u << 17;
inline constexpr std::uint64_t cr0_pe = 1, cr0_wp = 1u << 16, cr0_pg = 1ull << 31;
inline constexpr std::uint64_t cr4_smap = 1u << 21, flag_ac = 1u << 18;
inline constexpr std::uint64_t cr4_pse = 1u << 4, cr4_pae = 1u << 5, cr4_la57 = 1u << 12;
inline constexpr std::uint64_t efer_lma = 1u << 10, efer_nxe = 1u << 11;

inline constexpr std::uint32_t msr_kernel_gs_base = 0xc0000102;

// DR6 (SDM vol. 3, 18.2.3): active-low bits read as one when clear.
inline constexpr std::uint64_t dr6_fixed = 0xffff0ff0, dr6_bd = 1u << 13, dr6_bs = 1u << 14;

static_assert(sizeof(Regs) == 144 && sizeof(Sregs) == 312 && sizeof(DebugRegs) == 128);
static_assert(sizeof(VcpuEvents) == 64 && sizeof(GuestDebug) == 72 && sizeof(SyncRegs) == 520);

} // namespace kdbg::kvm::x86
