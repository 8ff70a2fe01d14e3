#include "kvm/arch/x86_64/core_notes.hpp"

namespace kdbg::kvm::x86 {
namespace {

constexpr CoreField zeros(std::uint8_t bytes) {
  return {.bytes = bytes};
}
constexpr CoreField number(std::uint8_t bytes, std::uint64_t value) {
  return {.bytes = bytes, .value = value};
}
constexpr CoreField reg(std::string_view name, std::uint8_t bytes = 8) {
  return {.bytes = bytes, .reg = name};
}

// struct elf_prstatus of x86-64 (Linux, include/linux/elfcore.h): 336 bytes, of which debuggers
// read the thread id at 32 and user_regs_struct at 112.
constexpr CoreField prstatus[] = {zeros(32),      {.bytes = 4, .value = 1, .vcpu = true},
                                  zeros(76),      reg("r15"),
                                  reg("r14"),     reg("r13"),
                                  reg("r12"),     reg("rbp"),
                                  reg("rbx"),     reg("r11"),
                                  reg("r10"),     reg("r9"),
                                  reg("r8"),      reg("rax"),
                                  reg("rcx"),     reg("rdx"),
                                  reg("rsi"),     reg("rdi"),
                                  zeros(8), // orig_rax
                                  reg("rip"),     reg("cs"),
                                  reg("eflags"),  reg("rsp"),
                                  reg("ss"),      reg("fs_base"),
                                  reg("gs_base"), reg("ds"),
                                  reg("es"),      reg("fs"),
                                  reg("gs"),      zeros(8)}; // fpvalid, padding

/// The attributes as they stand in a descriptor's second word. Our bit 16 is KVM's "unusable".
constexpr CoreField attributes(std::string_view name) {
  return {.bytes = 4, .reg = name, .shift = 8, .mask = 0xf0ff};
}

// QEMU's note of the same name, version 1 (its dump-guest-memory writes it; crash reads CR3, the
// IDT and the segments from it): selector, limit, flags, padding and base of each segment.
constexpr CoreField qemu[] = {number(4, 1),
                              number(4, 440),
                              reg("rax"),
                              reg("rbx"),
                              reg("rcx"),
                              reg("rdx"),
                              reg("rsi"),
                              reg("rdi"),
                              reg("rsp"),
                              reg("rbp"),
                              reg("r8"),
                              reg("r9"),
                              reg("r10"),
                              reg("r11"),
                              reg("r12"),
                              reg("r13"),
                              reg("r14"),
                              reg("r15"),
                              reg("rip"),
                              reg("eflags"),
                              reg("cs", 4),
                              reg("cs_limit", 4),
                              attributes("cs_attr"),
                              zeros(4),
                              reg("cs_base"),
                              reg("ds", 4),
                              reg("ds_limit", 4),
                              attributes("ds_attr"),
                              zeros(4),
                              reg("ds_base"),
                              reg("es", 4),
                              reg("es_limit", 4),
                              attributes("es_attr"),
                              zeros(4),
                              reg("es_base"),
                              reg("fs", 4),
                              reg("fs_limit", 4),
                              attributes("fs_attr"),
                              zeros(4),
                              reg("fs_base"),
                              reg("gs", 4),
                              reg("gs_limit", 4),
                              attributes("gs_attr"),
                              zeros(4),
                              reg("gs_base"),
                              reg("ss", 4),
                              reg("ss_limit", 4),
                              attributes("ss_attr"),
                              zeros(4),
                              reg("ss_base"),
                              reg("ldtr", 4),
                              reg("ldtr_limit", 4),
                              attributes("ldtr_attr"),
                              zeros(4),
                              reg("ldtr_base"),
                              reg("tr", 4),
                              reg("tr_limit", 4),
                              attributes("tr_attr"),
                              zeros(4),
                              reg("tr_base"),
                              zeros(4),
                              reg("gdtr_limit", 4),
                              zeros(4),
                              zeros(4),
                              reg("gdtr_base"),
                              zeros(4),
                              reg("idtr_limit", 4),
                              zeros(4),
                              zeros(4),
                              reg("idtr_base"),
                              reg("cr0"),
                              zeros(8),
                              reg("cr2"),
                              reg("cr3"),
                              reg("cr4"),
                              reg("k_gs_base")};

static_assert(size_of(prstatus) == 336 && size_of(qemu) == 440);

constexpr CoreNote notes[] = {{"CORE", 1, prstatus}, {"QEMU", 0, qemu}};

} // namespace

std::span<const CoreNote> core_notes() {
  return notes;
}

} // namespace kdbg::kvm::x86
