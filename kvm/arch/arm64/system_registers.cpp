#include "kvm/arch/arm64/system_registers.hpp"

#include "kvm/arch/arm64/abi.hpp"

namespace kdbg::kvm::arm64 {
namespace {

using reg::sysreg;
constexpr std::string_view address = "data_ptr", code = "code_ptr", state = "aarch64_spsr",
                           syndrome = "aarch64_esr";

// Names and encodings: Arm ARM, table D17-2. Only what KVM gives by ONE_REG (its sys_regs.c). A
// vCPU without EL2 has none of the last group.
constexpr SystemRegister system_table[] = {
    {"sp_el0", reg::sp_el0, address},
    {"sp_el1", reg::sp_el1, address},
    {"elr_el1", reg::elr_el1, code},
    {"spsr_el1", reg::spsr_el1, state},
    {"esr_el1", reg::esr_el1, syndrome},
    {"far_el1", reg::far_el1, address},
    {"vbar_el1", reg::vbar_el1, code},
    {"sctlr_el1", reg::sctlr_el1, "aarch64_sctlr"},
    {"ttbr0_el1", reg::ttbr0_el1},
    {"ttbr1_el1", reg::ttbr1_el1},
    {"tcr_el1", reg::tcr_el1, "aarch64_tcr"},
    {"mair_el1", reg::mair_el1},
    {"amair_el1", sysreg(3, 0, 10, 3, 0)},
    {"contextidr_el1", sysreg(3, 0, 13, 0, 1)},
    {"tpidr_el0", sysreg(3, 3, 13, 0, 2), address},
    {"tpidrro_el0", sysreg(3, 3, 13, 0, 3), address},
    {"tpidr_el1", sysreg(3, 0, 13, 0, 4), address},
    {"actlr_el1", sysreg(3, 0, 1, 0, 1)},
    {"cpacr_el1", sysreg(3, 0, 1, 0, 2)},
    {"par_el1", sysreg(3, 0, 7, 4, 0)},
    {"afsr0_el1", sysreg(3, 0, 5, 1, 0)},
    {"afsr1_el1", sysreg(3, 0, 5, 1, 1)},
    {"csselr_el1", sysreg(3, 2, 0, 0, 0)},
    {"cntkctl_el1", sysreg(3, 0, 14, 1, 0)},
    // KVM swapped the ids of these two once, and keeps them so (api.rst, "Arm registers")
    {"cntv_cval_el0", sysreg(3, 3, 14, 0, 2)},
    {"cntvct_el0", sysreg(3, 3, 14, 3, 2)},
    {"cntv_ctl_el0", sysreg(3, 3, 14, 3, 1)},
    {"cntp_ctl_el0", sysreg(3, 3, 14, 2, 1)},
    {"cntp_cval_el0", sysreg(3, 3, 14, 2, 2)},
    {"midr_el1", sysreg(3, 0, 0, 0, 0)},
    {"mpidr_el1", sysreg(3, 0, 0, 0, 5)},
    {"revidr_el1", sysreg(3, 0, 0, 0, 6)},
    {"ctr_el0", sysreg(3, 3, 0, 0, 1)},
    {"clidr_el1", sysreg(3, 1, 0, 0, 1)},
    {"id_aa64pfr0_el1", reg::id_aa64pfr0_el1},
    {"id_aa64pfr1_el1", reg::id_aa64pfr1_el1},
    {"id_aa64zfr0_el1", sysreg(3, 0, 0, 4, 4)},
    {"id_aa64dfr0_el1", sysreg(3, 0, 0, 5, 0)},
    {"id_aa64dfr1_el1", sysreg(3, 0, 0, 5, 1)},
    {"id_aa64isar0_el1", sysreg(3, 0, 0, 6, 0)},
    {"id_aa64isar1_el1", sysreg(3, 0, 0, 6, 1)},
    {"id_aa64isar2_el1", sysreg(3, 0, 0, 6, 2)},
    {"id_aa64mmfr0_el1", sysreg(3, 0, 0, 7, 0)},
    {"id_aa64mmfr1_el1", sysreg(3, 0, 0, 7, 1)},
    {"id_aa64mmfr2_el1", sysreg(3, 0, 0, 7, 2)},
    {"sp_el2", reg::sp_el2, address},
    {"elr_el2", reg::elr_el2, code},
    {"spsr_el2", reg::spsr_el2, state},
    {"esr_el2", reg::esr_el2, syndrome},
    {"far_el2", reg::far_el2, address},
    {"vbar_el2", reg::vbar_el2, code},
    {"sctlr_el2", reg::sctlr_el2, "aarch64_sctlr"},
    {"ttbr0_el2", reg::ttbr0_el2},
    {"ttbr1_el2", reg::ttbr1_el2},
    {"tcr_el2", reg::tcr_el2},
    {"hcr_el2", reg::hcr_el2},
    {"mdcr_el2", reg::mdcr_el2},
    {"vttbr_el2", sysreg(3, 4, 2, 1, 0)},
    {"vtcr_el2", sysreg(3, 4, 2, 1, 2)},
    {"hpfar_el2", sysreg(3, 4, 6, 0, 4)}};

// The numbered ones are in registers.cpp.
constexpr SystemRegister debug_table[] = {{"mdscr_el1", reg::mdscr_el1, "aarch64_mdscr"},
                                          {"oslsr_el1", sysreg(2, 0, 1, 1, 4)}};

// As in gdb's own description of the feature.
constexpr FieldInfo cpsr_fields[] = {
    {"SP", 0, 0},   {"EL", 2, 3},    {"nRW", 4, 4},     {"F", 6, 6},      {"I", 7, 7},
    {"A", 8, 8},    {"D", 9, 9},     {"BTYPE", 10, 11}, {"SSBS", 12, 12}, {"IL", 20, 20},
    {"SS", 21, 21}, {"PAN", 22, 22}, {"UAO", 23, 23},   {"DIT", 24, 24},  {"TCO", 25, 25},
    {"V", 28, 28},  {"C", 29, 29},   {"Z", 30, 30},     {"N", 31, 31}};
constexpr FieldInfo sctlr_fields[] = {
    {"M", 0, 0},        {"A", 1, 1},      {"C", 2, 2},        {"SA", 3, 3},       {"SA0", 4, 4},
    {"CP15BEN", 5, 5},  {"nAA", 6, 6},    {"ITD", 7, 7},      {"SED", 8, 8},      {"UMA", 9, 9},
    {"EnRCTX", 10, 10}, {"EOS", 11, 11},  {"I", 12, 12},      {"EnDB", 13, 13},   {"DZE", 14, 14},
    {"UCT", 15, 15},    {"nTWI", 16, 16}, {"nTWE", 18, 18},   {"WXN", 19, 19},    {"TSCXT", 20, 20},
    {"IESB", 21, 21},   {"EIS", 22, 22},  {"SPAN", 23, 23},   {"E0E", 24, 24},    {"EE", 25, 25},
    {"UCI", 26, 26},    {"EnDA", 27, 27}, {"nTLSMD", 28, 28}, {"LSMAOE", 29, 29}, {"EnIB", 30, 30},
    {"EnIA", 31, 31},   {"BT0", 35, 35},  {"BT1", 36, 36},    {"ATA0", 42, 42},   {"ATA", 43, 43},
    {"DSSBS", 44, 44},  {"EPAN", 57, 57}};
constexpr FieldInfo tcr_fields[] = {
    {"T0SZ", 0, 5},    {"EPD0", 7, 7},    {"IRGN0", 8, 9},   {"ORGN0", 10, 11}, {"SH0", 12, 13},
    {"TG0", 14, 15},   {"T1SZ", 16, 21},  {"A1", 22, 22},    {"EPD1", 23, 23},  {"IRGN1", 24, 25},
    {"ORGN1", 26, 27}, {"SH1", 28, 29},   {"TG1", 30, 31},   {"IPS", 32, 34},   {"AS", 36, 36},
    {"TBI0", 37, 37},  {"TBI1", 38, 38},  {"HA", 39, 39},    {"HD", 40, 40},    {"HPD0", 41, 41},
    {"HPD1", 42, 42},  {"TBID0", 51, 51}, {"TBID1", 52, 52}, {"NFD0", 53, 53},  {"NFD1", 54, 54},
    {"E0PD0", 55, 55}, {"E0PD1", 56, 56}, {"DS", 59, 59}};
constexpr FieldInfo esr_fields[] = {
    {"ISS", 0, 24}, {"IL", 25, 25}, {"EC", 26, 31}, {"ISS2", 32, 55}};
constexpr FieldInfo mdscr_fields[] = {
    {"SS", 0, 0}, {"TDCC", 12, 12}, {"KDE", 13, 13}, {"MDE", 15, 15}};

constexpr FlagsInfo flags[] = {{"cpsr_flags", core_feature, 4, cpsr_fields},
                               {state, system_feature, 8, cpsr_fields},
                               {"aarch64_sctlr", system_feature, 8, sctlr_fields},
                               {"aarch64_tcr", system_feature, 8, tcr_fields},
                               {syndrome, system_feature, 8, esr_fields},
                               {"aarch64_mdscr", debug_feature, 8, mdscr_fields}};

} // namespace

std::span<const SystemRegister> system_registers() {
  return system_table;
}
std::span<const SystemRegister> debug_registers() {
  return debug_table;
}
std::span<const FlagsInfo> flag_types() {
  return flags;
}

} // namespace kdbg::kvm::arm64
