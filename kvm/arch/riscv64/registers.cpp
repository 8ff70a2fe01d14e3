#include "kvm/arch/riscv64/registers.hpp"

#include "kvm/arch/riscv64/abi.hpp"

#include <array>

namespace kdbg::kvm::riscv64 {
namespace {

using Group = RegisterGroup;
constexpr std::string_view cpu = "org.gnu.gdb.riscv.cpu", fpu = "org.gnu.gdb.riscv.fpu",
                           csrs = "org.gnu.gdb.riscv.csr", virtuals = "org.gnu.gdb.riscv.virtual";

constexpr std::array<std::string_view, 32> x_names{
    "zero", "ra", "sp", "gp", "tp",  "t0",  "t1", "t2", "fp", "s1", "a0",
    "a1",   "a2", "a3", "a4", "a5",  "a6",  "a7", "s2", "s3", "s4", "s5",
    "s6",   "s7", "s8", "s9", "s10", "s11", "t3", "t4", "t5", "t6"};
constexpr std::array<std::string_view, 32> f_names{
    "ft0", "ft1", "ft2", "ft3", "ft4",  "ft5",  "ft6", "ft7", "fs0",  "fs1", "fa0",
    "fa1", "fa2", "fa3", "fa4", "fa5",  "fa6",  "fa7", "fs2", "fs3",  "fs4", "fs5",
    "fs6", "fs7", "fs8", "fs9", "fs10", "fs11", "ft8", "ft9", "ft10", "ft11"};

struct OwnCsr {
  std::string_view name;
  Csr which;
  std::string_view type = "int64";
};
constexpr std::array own_csrs{OwnCsr{"sstatus", Csr::sstatus, "riscv_sstatus"},
                              OwnCsr{"sie", Csr::sie, "riscv_interrupts"},
                              OwnCsr{"stvec", Csr::stvec, "riscv_stvec"},
                              OwnCsr{"sscratch", Csr::sscratch},
                              OwnCsr{"sepc", Csr::sepc, "code_ptr"},
                              OwnCsr{"scause", Csr::scause, "riscv_scause"},
                              OwnCsr{"stval", Csr::stval},
                              OwnCsr{"sip", Csr::sip, "riscv_interrupts"},
                              OwnCsr{"satp", Csr::satp, "riscv_satp"},
                              OwnCsr{"scounteren", Csr::scounteren},
                              OwnCsr{"senvcfg", Csr::senvcfg, "riscv_senvcfg"}};

constexpr std::size_t pc = 32, first_f = 33, first_csr = first_f + 32 + 3,
                      count = first_csr + own_csrs.size() + 1;

constexpr RegisterInfo x_register(std::size_t n) {
  const bool pointer = n >= 2 && n <= 4;
  const std::string_view role = n == 2 ? "sp" : n == 8 ? "fp" : "";
  const std::string_view type = n == 1 ? "code_ptr" : pointer || n == 8 ? "data_ptr" : "int64";
  return {x_names[n], 64, type, cpu, Group::general, role, static_cast<std::int16_t>(n)};
}

/// DWARF numbers as in the psABI: x0 to x31, f0 to f31, CSRs from 4096 by their numbers.
constexpr SoftRegisters<count> make_tables() {
  SoftRegisters<count> out;
  for (std::size_t n = 0; n < 32; ++n) {
    out.add(x_register(n), n == 0 ? Source{} : Source{core_x(static_cast<unsigned>(n))});
  }
  out.add({"pc", 64, "code_ptr", cpu, Group::general, "pc"}, {core_pc});
  for (std::size_t n = 0; n < 32; ++n) {
    out.add({f_names[n], 64, "ieee_double", fpu, Group::fpu, "", static_cast<std::int16_t>(32 + n)},
            {fp_d(static_cast<unsigned>(n))});
  }
  out.add({"fflags", 32, "int", fpu, Group::fpu}, {fp_fcsr, 0, 5});
  out.add({"frm", 32, "int", fpu, Group::fpu}, {fp_fcsr, 5, 3});
  out.add({"fcsr", 32, "riscv_fcsr", fpu, Group::fpu}, {fp_fcsr, 0, 32});
  for (const OwnCsr& own : own_csrs) {
    out.add({own.name, 64, own.type, csrs, Group::system, "", -1, false}, {csr(own.which)});
  }
  out.add({"priv", 64, "int64", virtuals, Group::system, "", -1, false}, {core_mode, 0, 1});
  return out;
}
constexpr SoftRegisters<count> tables = make_tables();
static_assert(tables.filled == count && tables.info[pc].name == "pc" &&
              tables.info[first_csr].name == "sstatus" && tables.info[count - 1].name == "priv");

constexpr FieldInfo sstatus_fields[] = {
    {"SIE", 1, 1},   {"SPIE", 5, 5},  {"UBE", 6, 6},   {"SPP", 8, 8},   {"VS", 9, 10},
    {"FS", 13, 14},  {"XS", 15, 16},  {"SUM", 18, 18}, {"MXR", 19, 19}, {"SPELP", 23, 23},
    {"SDT", 24, 24}, {"UXL", 32, 33}, {"SD", 63, 63}};
constexpr FieldInfo interrupt_fields[] = {
    {"SSI", 1, 1}, {"STI", 5, 5}, {"SEI", 9, 9}, {"LCOFI", 13, 13}};
constexpr FieldInfo stvec_fields[] = {{"MODE", 0, 1}, {"BASE", 2, 63}};
constexpr FieldInfo scause_fields[] = {{"CODE", 0, 62}, {"INTERRUPT", 63, 63}};
constexpr FieldInfo satp_fields[] = {{"PPN", 0, 43}, {"ASID", 44, 59}, {"MODE", 60, 63}};
constexpr FieldInfo senvcfg_fields[] = {{"FIOM", 0, 0}, {"LPE", 2, 2},   {"SSE", 3, 3},
                                        {"CBIE", 4, 5}, {"CBCFE", 6, 6}, {"CBZE", 7, 7},
                                        {"PMM", 32, 33}};
constexpr FieldInfo fcsr_fields[] = {{"NX", 0, 0}, {"UF", 1, 1}, {"OF", 2, 2},
                                     {"DZ", 3, 3}, {"NV", 4, 4}, {"RM", 5, 7}};

constexpr FlagsInfo flags[] = {{"riscv_fcsr", fpu, 4, fcsr_fields},
                               {"riscv_sstatus", csrs, 8, sstatus_fields},
                               {"riscv_interrupts", csrs, 8, interrupt_fields},
                               {"riscv_stvec", csrs, 8, stvec_fields},
                               {"riscv_scause", csrs, 8, scause_fields},
                               {"riscv_satp", csrs, 8, satp_fields},
                               {"riscv_senvcfg", csrs, 8, senvcfg_fields}};

// struct elf_prstatus of RISC-V (Linux, include/linux/elfcore.h): the thread id at 32,
// user_regs_struct (pc, x1 to x31) at 112, pr_fpvalid and padding.
constexpr auto make_prstatus() {
  std::array<CoreField, 3 + 32 + 1> out{};
  out[0] = {.bytes = 32};
  out[1] = {.bytes = 4, .value = 1, .vcpu = true};
  out[2] = {.bytes = 76};
  out[3] = {.reg = "pc"};
  for (std::size_t n = 1; n < 32; ++n) {
    out[3 + n] = {.reg = x_names[n]};
  }
  out[35] = {.bytes = 8};
  return out;
}
constexpr auto prstatus = make_prstatus();
static_assert(size_of(prstatus) == 376);
constexpr CoreNote notes[] = {{"CORE", 1, prstatus}};

const ArchInfo info{
    "riscv64",     "riscv:rv64",  "riscv64-unknown-unknown", tables.info, flags, RegisterId{pc},
    RegisterId{2}, RegisterId{8}, RegisterId{first_csr},     elf_machine, 2,     notes};

} // namespace

const ArchInfo& arch_info() {
  return info;
}

std::span<const Source> sources() {
  return tables.source;
}

} // namespace kdbg::kvm::riscv64
