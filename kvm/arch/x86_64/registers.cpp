#include "kvm/arch/x86_64/registers.hpp"

#include "kvm/arch/x86_64/abi.hpp"
#include "kvm/arch/x86_64/core_notes.hpp"

#include <array>

namespace kdbg::kvm::x86 {
namespace {

using Group = RegisterGroup;
constexpr std::string_view core = "org.gnu.gdb.i386.core", sse = "org.gnu.gdb.i386.sse",
                           avx = "org.gnu.gdb.i386.avx", avx512 = "org.gnu.gdb.i386.avx512",
                           pkeys = "org.gnu.gdb.i386.pkeys", own = "org.kvmdbg.x86.system",
                           own_debug = "org.kvmdbg.x86.debug", own_msr = "org.kvmdbg.x86.msr";

constexpr RegisterInfo gpr(std::string_view name,
                           std::int16_t dwarf,
                           std::string_view type = "int64",
                           std::string_view role = "") {
  return {name, 64, type, core, Group::general, role, dwarf};
}
constexpr RegisterInfo selector(std::string_view name, std::int16_t dwarf) {
  return {name, 32, "int32", core, Group::system, "", dwarf};
}
constexpr RegisterInfo control(std::string_view name, std::string_view type = "int64") {
  return {name, 64, type, core, Group::system};
}
constexpr RegisterInfo fpu(std::string_view name,
                           std::uint16_t bits,
                           std::string_view type,
                           std::string_view feature,
                           std::int16_t dwarf = -1) {
  return {name, bits, type, feature, Group::fpu, "", dwarf};
}
constexpr RegisterInfo owned(std::string_view name,
                             std::uint16_t bits,
                             Group group,
                             std::string_view feature,
                             std::string_view type) {
  return {name, bits, type, feature, group, "", -1, false};
}

constexpr RegisterInfo from_system(std::string_view name, std::uint16_t bits) {
  return owned(name, bits, Group::system, own,
               bits == 64   ? "data_ptr"
               : bits == 32 ? "uint32"
                            : "uint16");
}

struct OwnField {
  std::string_view name;
  std::uint16_t bits;
  SystemField field;
};
// fs and gs bases are QEMU's own; everything else of the descriptor caches is here.
constexpr std::array own_fields{
    OwnField{"cs_base", 64, {Where::cs, Field::base}},
    OwnField{"ss_base", 64, {Where::ss, Field::base}},
    OwnField{"ds_base", 64, {Where::ds, Field::base}},
    OwnField{"es_base", 64, {Where::es, Field::base}},
    OwnField{"cs_limit", 32, {Where::cs, Field::limit}},
    OwnField{"ss_limit", 32, {Where::ss, Field::limit}},
    OwnField{"ds_limit", 32, {Where::ds, Field::limit}},
    OwnField{"es_limit", 32, {Where::es, Field::limit}},
    OwnField{"fs_limit", 32, {Where::fs, Field::limit}},
    OwnField{"gs_limit", 32, {Where::gs, Field::limit}},
    OwnField{"cs_attr", 32, {Where::cs, Field::attributes}},
    OwnField{"ss_attr", 32, {Where::ss, Field::attributes}},
    OwnField{"ds_attr", 32, {Where::ds, Field::attributes}},
    OwnField{"es_attr", 32, {Where::es, Field::attributes}},
    OwnField{"fs_attr", 32, {Where::fs, Field::attributes}},
    OwnField{"gs_attr", 32, {Where::gs, Field::attributes}},
    OwnField{"gdtr_base", 64, {Where::gdt, Field::base}},
    OwnField{"gdtr_limit", 16, {Where::gdt, Field::limit}},
    OwnField{"idtr_base", 64, {Where::idt, Field::base}},
    OwnField{"idtr_limit", 16, {Where::idt, Field::limit}},
    OwnField{"tr", 16, {Where::tr, Field::selector}},
    OwnField{"tr_base", 64, {Where::tr, Field::base}},
    OwnField{"tr_limit", 32, {Where::tr, Field::limit}},
    OwnField{"tr_attr", 32, {Where::tr, Field::attributes}},
    OwnField{"ldtr", 16, {Where::ldt, Field::selector}},
    OwnField{"ldtr_base", 64, {Where::ldt, Field::base}},
    OwnField{"ldtr_limit", 32, {Where::ldt, Field::limit}},
    OwnField{"ldtr_attr", 32, {Where::ldt, Field::attributes}},
};

struct OwnDebug {
  std::string_view name;
  unsigned number;
};
constexpr std::array own_debug_registers{OwnDebug{"dr0", 0}, OwnDebug{"dr1", 1},
                                         OwnDebug{"dr2", 2}, OwnDebug{"dr3", 3},
                                         OwnDebug{"dr6", 6}, OwnDebug{"dr7", 7}};

struct OwnMsr {
  std::string_view name;
  std::uint32_t index;
};
constexpr std::array own_msrs{
    // SDM vol. 4, table 2-2
    OwnMsr{"tsc", 0x10},           OwnMsr{"apic_base", 0x1b},      OwnMsr{"sysenter_cs", 0x174},
    OwnMsr{"sysenter_esp", 0x175}, OwnMsr{"sysenter_eip", 0x176},  OwnMsr{"misc_enable", 0x1a0},
    OwnMsr{"pat", 0x277},          OwnMsr{"mtrr_def_type", 0x2ff}, OwnMsr{"tsc_deadline", 0x6e0},
    OwnMsr{"star", 0xc0000081},    OwnMsr{"lstar", 0xc0000082},    OwnMsr{"cstar", 0xc0000083},
    OwnMsr{"sfmask", 0xc0000084},  OwnMsr{"tsc_aux", 0xc0000103}};

constexpr std::size_t first_debug = reg_own + own_fields.size();
constexpr std::size_t first_msr = first_debug + own_debug_registers.size();
constexpr std::size_t register_count = first_msr + own_msrs.size();

constexpr std::array<std::string_view, 8> st_names{"st0", "st1", "st2", "st3",
                                                   "st4", "st5", "st6", "st7"};
constexpr std::array<std::string_view, 16> xmm_names{
    "xmm0", "xmm1", "xmm2",  "xmm3",  "xmm4",  "xmm5",  "xmm6",  "xmm7",
    "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15"};
constexpr std::array<std::string_view, 16> ymm_names{
    "ymm0h", "ymm1h", "ymm2h",  "ymm3h",  "ymm4h",  "ymm5h",  "ymm6h",  "ymm7h",
    "ymm8h", "ymm9h", "ymm10h", "ymm11h", "ymm12h", "ymm13h", "ymm14h", "ymm15h"};

constexpr std::array core_registers{
    // DWARF numbers: System V psABI, figure 3.36
    gpr("rax", 0),
    gpr("rbx", 3),
    gpr("rcx", 2),
    gpr("rdx", 1),
    gpr("rsi", 4),
    gpr("rdi", 5),
    gpr("rbp", 6, "data_ptr", "fp"),
    gpr("rsp", 7, "data_ptr", "sp"),
    gpr("r8", 8),
    gpr("r9", 9),
    gpr("r10", 10),
    gpr("r11", 11),
    gpr("r12", 12),
    gpr("r13", 13),
    gpr("r14", 14),
    gpr("r15", 15),
    gpr("rip", 16, "code_ptr", "pc"),
    RegisterInfo{"eflags", 32, "x86_eflags", core, Group::general, "flags", 49},
    selector("cs", 51),
    selector("ss", 52),
    selector("ds", 53),
    selector("es", 50),
    selector("fs", 54),
    selector("gs", 55),
    control("fs_base"),
    control("gs_base"),
    RegisterInfo{"k_gs_base", 64, "int64", core, Group::msr},
    control("cr0", "x86_cr0"),
    control("cr2"),
    control("cr3"),
    control("cr4", "x86_cr4"),
    control("cr8"),
    control("efer", "x86_efer")};
static_assert(core_registers.size() == reg_st0);

static_assert(register_count == reg_extended);

constexpr std::array<std::string_view, 8> k_names{"k0", "k1", "k2", "k3", "k4", "k5", "k6", "k7"};
constexpr std::array<std::string_view, 16> zmm_names{
    "zmm0h", "zmm1h", "zmm2h",  "zmm3h",  "zmm4h",  "zmm5h",  "zmm6h",  "zmm7h",
    "zmm8h", "zmm9h", "zmm10h", "zmm11h", "zmm12h", "zmm13h", "zmm14h", "zmm15h"};
constexpr std::array<std::string_view, 16> upper_xmm_names{
    "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23",
    "xmm24", "xmm25", "xmm26", "xmm27", "xmm28", "xmm29", "xmm30", "xmm31"};
constexpr std::array<std::string_view, 16> upper_ymm_names{
    "ymm16h", "ymm17h", "ymm18h", "ymm19h", "ymm20h", "ymm21h", "ymm22h", "ymm23h",
    "ymm24h", "ymm25h", "ymm26h", "ymm27h", "ymm28h", "ymm29h", "ymm30h", "ymm31h"};
constexpr std::array<std::string_view, 16> upper_zmm_names{
    "zmm16h", "zmm17h", "zmm18h", "zmm19h", "zmm20h", "zmm21h", "zmm22h", "zmm23h",
    "zmm24h", "zmm25h", "zmm26h", "zmm27h", "zmm28h", "zmm29h", "zmm30h", "zmm31h"};

/// Outside g, which is for every stop: gdb reads one when somebody looks at it.
constexpr RegisterInfo
extended(std::string_view name, std::uint16_t bits, std::string_view type, std::size_t dwarf) {
  return {name, bits, type, avx512, Group::fpu, "", static_cast<std::int16_t>(dwarf), false};
}

/// Names and order as in gdb's own description of the feature; DWARF numbers as in the psABI.
template <std::size_t size>
constexpr std::size_t add_avx512(std::array<RegisterInfo, size>& table, std::size_t at) {
  constexpr auto no_dwarf = static_cast<std::size_t>(-1);
  for (std::size_t i = 0; i < 8; ++i) {
    table[at++] = extended(k_names[i], 64, "uint64", 118 + i);
  }
  for (std::string_view name : zmm_names) {
    table[at++] = extended(name, 256, "v2ui128", no_dwarf);
  }
  for (std::size_t i = 0; i < 16; ++i) {
    table[at++] = extended(upper_xmm_names[i], 128, "vec128", 67 + i);
  }
  for (std::string_view name : upper_ymm_names) {
    table[at++] = extended(name, 128, "uint128", no_dwarf);
  }
  for (std::string_view name : upper_zmm_names) {
    table[at++] = extended(name, 256, "v2ui128", no_dwarf);
  }
  return at;
}

constexpr std::size_t count_of(Extensions extensions) {
  return register_count + (extensions.avx512 ? avx512_count : 0U) + (extensions.pkru ? 1U : 0U);
}

template <Extensions extensions>
constexpr auto make_table() {
  std::array<RegisterInfo, count_of(extensions)> table{};
  std::size_t at = 0;
  for (const RegisterInfo& info : core_registers) {
    table[at++] = info;
  }
  for (std::size_t i = 0; i < 8; ++i) {
    table[at++] = fpu(st_names[i], 80, "i387_ext", core, static_cast<std::int16_t>(33 + i));
  }
  for (std::string_view name :
       {"fctrl", "fstat", "ftag", "fiseg", "fioff", "foseg", "fooff", "fop"}) {
    table[at++] = fpu(name, 32, "int", core);
  }
  for (std::size_t i = 0; i < 16; ++i) {
    table[at++] = fpu(xmm_names[i], 128, "vec128", sse, static_cast<std::int16_t>(17 + i));
  }
  table[at++] = fpu("mxcsr", 32, "x86_mxcsr", sse);
  for (std::string_view name : ymm_names) {
    table[at++] = fpu(name, 128, "uint128", avx);
  }
  for (const auto& field : own_fields) {
    table[at++] = from_system(field.name, field.bits);
  }
  for (const auto& reg : own_debug_registers) {
    const std::string_view type = reg.number == 6   ? "x86_dr6"
                                  : reg.number == 7 ? "x86_dr7"
                                                    : "data_ptr";
    table[at++] = owned(reg.name, 64, Group::debug, own_debug, type);
  }
  for (const auto& msr : own_msrs) {
    table[at++] = owned(msr.name, 64, Group::msr, own_msr, "uint64");
  }
  if constexpr (extensions.avx512) at = add_avx512(table, at);
  if constexpr (extensions.pkru) {
    table[at++] = {"pkru", 32, "uint32", pkeys, Group::fpu, "", -1, false};
  }
  return table;
}
template <Extensions extensions>
constexpr auto table_of = make_table<extensions>();
constexpr const auto& table = table_of<Extensions{}>;

constexpr FieldInfo eflags_fields[] = {
    {"CF", 0, 0},     {"", 1, 1},      {"PF", 2, 2},   {"AF", 4, 4},   {"ZF", 6, 6},
    {"SF", 7, 7},     {"TF", 8, 8},    {"IF", 9, 9},   {"DF", 10, 10}, {"OF", 11, 11},
    {"IOPL", 12, 13}, {"NT", 14, 14},  {"RF", 16, 16}, {"VM", 17, 17}, {"AC", 18, 18},
    {"VIF", 19, 19},  {"VIP", 20, 20}, {"ID", 21, 21}};
constexpr FieldInfo cr0_fields[] = {{"PE", 0, 0},   {"MP", 1, 1},   {"EM", 2, 2},   {"TS", 3, 3},
                                    {"ET", 4, 4},   {"NE", 5, 5},   {"WP", 16, 16}, {"AM", 18, 18},
                                    {"NW", 29, 29}, {"CD", 30, 30}, {"PG", 31, 31}};
constexpr FieldInfo cr4_fields[] = {
    {"VME", 0, 0},     {"PVI", 1, 1},       {"TSD", 2, 2},          {"DE", 3, 3},
    {"PSE", 4, 4},     {"PAE", 5, 5},       {"MCE", 6, 6},          {"PGE", 7, 7},
    {"PCE", 8, 8},     {"OSFXSR", 9, 9},    {"OSXMMEXCPT", 10, 10}, {"UMIP", 11, 11},
    {"LA57", 12, 12},  {"VMXE", 13, 13},    {"SMXE", 14, 14},       {"FSGSBASE", 16, 16},
    {"PCIDE", 17, 17}, {"OSXSAVE", 18, 18}, {"SMEP", 20, 20},       {"SMAP", 21, 21},
    {"PKE", 22, 22},   {"CET", 23, 23}};
constexpr FieldInfo efer_fields[] = {{"SCE", 0, 0},   {"LME", 8, 8},    {"LMA", 10, 10},
                                     {"NXE", 11, 11}, {"SVME", 12, 12}, {"FFXSR", 14, 14}};
constexpr FieldInfo mxcsr_fields[] = {
    {"IE", 0, 0},   {"DE", 1, 1},   {"ZE", 2, 2},   {"OE", 3, 3},   {"UE", 4, 4},
    {"PE", 5, 5},   {"DAZ", 6, 6},  {"IM", 7, 7},   {"DM", 8, 8},   {"ZM", 9, 9},
    {"OM", 10, 10}, {"UM", 11, 11}, {"PM", 12, 12}, {"RC", 13, 14}, {"FZ", 15, 15}};
constexpr FieldInfo dr6_fields[] = {{"B0", 0, 0},   {"B1", 1, 1},    {"B2", 2, 2},
                                    {"B3", 3, 3},   {"BLD", 11, 11}, {"BD", 13, 13},
                                    {"BS", 14, 14}, {"BT", 15, 15},  {"RTM", 16, 16}};
constexpr FieldInfo dr7_fields[] = {
    {"L0", 0, 0},     {"G0", 1, 1},    {"L1", 2, 2},     {"G1", 3, 3},     {"L2", 4, 4},
    {"G2", 5, 5},     {"L3", 6, 6},    {"G3", 7, 7},     {"LE", 8, 8},     {"GE", 9, 9},
    {"RTM", 11, 11},  {"GD", 13, 13},  {"RW0", 16, 17},  {"LEN0", 18, 19}, {"RW1", 20, 21},
    {"LEN1", 22, 23}, {"RW2", 24, 25}, {"LEN2", 26, 27}, {"RW3", 28, 29},  {"LEN3", 30, 31}};

constexpr FlagsInfo flags[] = {
    {"x86_eflags", core, 4, eflags_fields}, {"x86_cr0", core, 8, cr0_fields},
    {"x86_cr4", core, 8, cr4_fields},       {"x86_efer", core, 8, efer_fields},
    {"x86_mxcsr", sse, 4, mxcsr_fields},    {"x86_dr6", own_debug, 8, dr6_fields},
    {"x86_dr7", own_debug, 8, dr7_fields}};

template <Extensions extensions>
const ArchInfo info{"x86_64",
                    "i386:x86-64",
                    "x86_64-unknown-unknown",
                    table_of<extensions>,
                    flags,
                    RegisterId{reg_rip},
                    RegisterId{reg_rsp},
                    RegisterId{reg_rbp},
                    RegisterId{reg_eflags},
                    elf_machine,
                    1,
                    core_notes()};

static_assert(table[reg_rip].name == "rip" && table[reg_efer].name == "efer");
static_assert(table[reg_fctrl].name == "fctrl" && table[reg_xmm0].name == "xmm0");
static_assert(table[reg_mxcsr].name == "mxcsr" && table[reg_ymm0h].name == "ymm0h");
static_assert(table[reg_own].name == "cs_base" && table[first_msr].name == "tsc");

} // namespace

const ArchInfo& arch_info(Extensions extensions) {
  if (extensions.avx512 && extensions.pkru) return info<Extensions{true, true}>;
  if (extensions.avx512) return info<Extensions{true, false}>;
  if (extensions.pkru) return info<Extensions{false, true}>;
  return info<Extensions{}>;
}

SystemField system_field(RegisterId id) {
  return own_fields[index(id) - reg_own].field;
}

std::uint32_t msr_index(RegisterId id) {
  if (index(id) == reg_k_gs_base) return msr_kernel_gs_base;
  return own_msrs[index(id) - first_msr].index;
}

unsigned debug_register(RegisterId id) {
  return own_debug_registers[index(id) - first_debug].number;
}

} // namespace kdbg::kvm::x86
