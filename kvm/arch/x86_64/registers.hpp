#pragma once
/// The x86-64 register table: QEMU's names and order first (debuggers and scripts depend on
/// them), then what no other stub shows. Always the 64-bit layout, whatever mode the CPU is in,
/// because gdb cannot change a register's width during a connection.
#include "adapter/registers.hpp"

namespace kdbg::kvm::x86 {

/// Position of the first register of each run in the table.
enum : std::uint16_t {
  reg_rax = 0,
  reg_rbx,
  reg_rcx,
  reg_rdx,
  reg_rsi,
  reg_rdi,
  reg_rbp,
  reg_rsp,
  reg_r8,
  reg_rip = 16,
  reg_eflags,
  reg_cs,
  reg_ss,
  reg_ds,
  reg_es,
  reg_fs,
  reg_gs,
  reg_fs_base,
  reg_gs_base,
  reg_k_gs_base,
  reg_cr0,
  reg_cr2,
  reg_cr3,
  reg_cr4,
  reg_cr8,
  reg_efer,
  reg_st0 = 33,
  reg_fctrl = 41,
  reg_xmm0 = 49,
  reg_mxcsr = 65,
  reg_ymm0h = 66,
  reg_own = 82, ///< from here on not in the g packet
  // What only some CPUs have comes last, so that everything else is the same for all.
  reg_extended = 130,
};

/// Register sets that only some CPUs have. AVX-512's come first.
struct Extensions {
  bool avx512 = false, pkru = false;
};
/// Where the runs of AVX-512's registers begin, counted from k0.
inline constexpr std::size_t run_zmm0h = 8, run_xmm16 = 24, run_ymm16h = 40, run_zmm16h = 56,
                             avx512_count = 72;

/// A segment or descriptor-table field beyond the selectors.
enum class Field : std::uint8_t { selector, base, limit, attributes };
enum class Where : std::uint8_t { cs, ss, ds, es, fs, gs, tr, ldt, gdt, idt };
struct SystemField {
  Where where;
  Field field;
};

const ArchInfo& arch_info(Extensions extensions = {});
/// For a register of group `system` at or after reg_own.
SystemField system_field(RegisterId id);
/// For a register of group `msr`: its index.
std::uint32_t msr_index(RegisterId id);
/// For a register of group `debug`: 0-3, 6 or 7.
unsigned debug_register(RegisterId id);

} // namespace kdbg::kvm::x86
