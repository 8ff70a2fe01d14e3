#include "kvm/arch/loongarch64/registers.hpp"

#include "kvm/arch/loongarch64/abi.hpp"

#include <array>

namespace kdbg::kvm::loongarch64 {
namespace {

using Group = RegisterGroup;
constexpr std::string_view base = "org.gnu.gdb.loongarch.base", fpu = "org.gnu.gdb.loongarch.fpu",
                           lsx = "org.gnu.gdb.loongarch.lsx", csrs = "org.kvmdbg.loongarch.csr";

/// "r0", "r1", ...: names for a whole run.
struct Name {
  std::array<char, 8> text{};
  std::size_t size = 0;
  constexpr operator std::string_view() const { return {text.data(), size}; }
};
constexpr std::array<Name, 32> numbered(std::string_view prefix) {
  std::array<Name, 32> out{};
  for (std::size_t n = 0; n < out.size(); ++n) {
    for (const char c : prefix) {
      out[n].text[out[n].size++] = c;
    }
    if (n > 9) out[n].text[out[n].size++] = static_cast<char>('0' + n / 10);
    out[n].text[out[n].size++] = static_cast<char>('0' + n % 10);
  }
  return out;
}
constexpr auto r_names = numbered("r"), f_names = numbered("f"), fcc_names = numbered("fcc"),
               vr_names = numbered("vr"), save_names = numbered("save"),
               dmw_names = numbered("dmw");

struct OwnCsr {
  std::string_view name;
  Csr which;
  std::string_view type = "int64";
};
constexpr std::array own_csrs{OwnCsr{"crmd", Csr::crmd, "loongarch_crmd"},
                              OwnCsr{"prmd", Csr::prmd, "loongarch_prmd"},
                              OwnCsr{"euen", Csr::euen, "loongarch_euen"},
                              OwnCsr{"misc", Csr::misc},
                              OwnCsr{"ecfg", Csr::ecfg, "loongarch_ecfg"},
                              OwnCsr{"estat", Csr::estat, "loongarch_estat"},
                              OwnCsr{"era", Csr::era, "code_ptr"},
                              OwnCsr{"badi", Csr::badi},
                              OwnCsr{"eentry", Csr::eentry, "code_ptr"},
                              OwnCsr{"tlbidx", Csr::tlbidx, "loongarch_tlbidx"},
                              OwnCsr{"tlbehi", Csr::tlbehi},
                              OwnCsr{"tlbelo0", Csr::tlbelo0, "loongarch_tlbelo"},
                              OwnCsr{"tlbelo1", Csr::tlbelo1, "loongarch_tlbelo"},
                              OwnCsr{"asid", Csr::asid, "loongarch_asid"},
                              OwnCsr{"pgdl", Csr::pgdl},
                              OwnCsr{"pgdh", Csr::pgdh},
                              OwnCsr{"pwcl", Csr::pwcl, "loongarch_pwcl"},
                              OwnCsr{"pwch", Csr::pwch, "loongarch_pwch"},
                              OwnCsr{"stlbps", Csr::stlbps},
                              OwnCsr{"rvacfg", Csr::rvacfg},
                              OwnCsr{"cpuid", Csr::cpuid},
                              OwnCsr{"prcfg1", Csr::prcfg1},
                              OwnCsr{"prcfg2", Csr::prcfg2},
                              OwnCsr{"prcfg3", Csr::prcfg3},
                              OwnCsr{"tid", Csr::tid},
                              OwnCsr{"tcfg", Csr::tcfg, "loongarch_tcfg"},
                              OwnCsr{"tval", Csr::tval},
                              OwnCsr{"cntc", Csr::cntc},
                              OwnCsr{"llbctl", Csr::llbctl, "loongarch_llbctl"},
                              OwnCsr{"tlbrentry", Csr::tlbrentry, "code_ptr"},
                              OwnCsr{"tlbrbadv", Csr::tlbrbadv},
                              OwnCsr{"tlbrera", Csr::tlbrera, "loongarch_tlbrera"},
                              OwnCsr{"tlbrsave", Csr::tlbrsave},
                              OwnCsr{"tlbrelo0", Csr::tlbrelo0, "loongarch_tlbelo"},
                              OwnCsr{"tlbrelo1", Csr::tlbrelo1, "loongarch_tlbelo"},
                              OwnCsr{"tlbrehi", Csr::tlbrehi},
                              OwnCsr{"tlbrprmd", Csr::tlbrprmd, "loongarch_tlbrprmd"}};
constexpr unsigned saves = 8, windows = 4, conditions = 8;

constexpr std::size_t pc = 33, first_f = 35, first_vr = first_f + 32 + conditions + 1,
                      first_csr = first_vr + 32,
                      count = first_csr + own_csrs.size() + saves + windows;

constexpr RegisterInfo general(std::size_t n) {
  const std::string_view role = n == 3 ? "sp" : n == 22 ? "fp" : "";
  const std::string_view type = n == 1 ? "code_ptr" : role.empty() ? "uint64" : "data_ptr";
  return {r_names[n], 64, type, base, Group::general, role, static_cast<std::int16_t>(n)};
}

/// DWARF numbers as in the psABI: r0 to r31, f0 to f31.
constexpr SoftRegisters<count> make_tables() {
  SoftRegisters<count> out;
  for (std::size_t n = 0; n < 32; ++n) {
    out.add(general(n), n == 0 ? Source{} : Source{gpr(static_cast<unsigned>(n))});
  }
  // gdb wants it to be there; only a Linux process has one.
  out.add({"orig_a0", 64, "uint64", base, Group::general}, Source{});
  out.add({"pc", 64, "code_ptr", base, Group::general, "pc"}, {pc_id});
  out.add({"badv", 64, "code_ptr", base, Group::system}, {csr(Csr::badv)});
  for (std::size_t n = 0; n < 32; ++n) {
    out.add({f_names[n], 64, "ieee_double", fpu, Group::fpu, "", static_cast<std::int16_t>(32 + n)},
            {fpr(static_cast<unsigned>(n))});
  }
  for (unsigned n = 0; n < conditions; ++n) {
    out.add({fcc_names[n], 8, "uint8", fpu, Group::fpu},
            {fcc_id, static_cast<std::uint8_t>(8 * n), 8});
  }
  out.add({"fcsr", 32, "loongarch_fcsr", fpu, Group::fpu}, {fcsr_id, 0, 32});
  for (std::size_t n = 0; n < 32; ++n) {
    out.add({vr_names[n], 128, "vec128", lsx, Group::fpu, "", -1, false},
            {fpr(static_cast<unsigned>(n))});
  }
  for (const OwnCsr& own : own_csrs) {
    out.add({own.name, 64, own.type, csrs, Group::system, "", -1, false}, {csr(own.which)});
  }
  for (unsigned n = 0; n < saves; ++n) {
    out.add({save_names[n], 64, "int64", csrs, Group::system, "", -1, false}, {csr(Csr::save0, n)});
  }
  for (unsigned n = 0; n < windows; ++n) {
    out.add({dmw_names[n], 64, "loongarch_dmw", csrs, Group::system, "", -1, false},
            {csr(Csr::dmw0, n)});
  }
  return out;
}
constexpr SoftRegisters<count> tables = make_tables();
static_assert(tables.filled == count && tables.info[pc].name == "pc" &&
              tables.info[first_f].name == "f0" && tables.info[first_vr].name == "vr0" &&
              tables.info[first_csr].name == "crmd" && tables.info[count - 1].name == "dmw3");

constexpr FieldInfo crmd_fields[] = {{"PLV", 0, 1},  {"IE", 2, 2},   {"DA", 3, 3}, {"PG", 4, 4},
                                     {"DATF", 5, 6}, {"DATM", 7, 8}, {"WE", 9, 9}};
constexpr FieldInfo prmd_fields[] = {{"PPLV", 0, 1}, {"PIE", 2, 2}, {"PWE", 3, 3}};
constexpr FieldInfo euen_fields[] = {{"FPE", 0, 0}, {"SXE", 1, 1}, {"ASXE", 2, 2}, {"BTE", 3, 3}};
constexpr FieldInfo ecfg_fields[] = {{"LIE", 0, 14}, {"VS", 16, 18}};
constexpr FieldInfo estat_fields[] = {{"IS", 0, 14}, {"ECODE", 16, 21}, {"ESUBCODE", 22, 30}};
constexpr FieldInfo tlbidx_fields[] = {{"INDEX", 0, 15}, {"PS", 24, 29}, {"NE", 31, 31}};
constexpr FieldInfo tlbelo_fields[] = {{"V", 0, 0},    {"D", 1, 1},    {"PLV", 2, 3},
                                       {"MAT", 4, 5},  {"G", 6, 6},    {"PPN", 12, 47},
                                       {"NR", 61, 61}, {"NX", 62, 62}, {"RPLV", 63, 63}};
constexpr FieldInfo asid_fields[] = {{"ASID", 0, 9}, {"BITS", 16, 23}};
constexpr FieldInfo pwcl_fields[] = {
    {"PTBASE", 0, 4},     {"PTWIDTH", 5, 9},     {"DIR1BASE", 10, 14}, {"DIR1WIDTH", 15, 19},
    {"DIR2BASE", 20, 24}, {"DIR2WIDTH", 25, 29}, {"PTEWIDTH", 30, 31}};
constexpr FieldInfo pwch_fields[] = {{"DIR3BASE", 0, 5},
                                     {"DIR3WIDTH", 6, 11},
                                     {"DIR4BASE", 12, 17},
                                     {"DIR4WIDTH", 18, 23},
                                     {"HPTW", 24, 24}};
constexpr FieldInfo tcfg_fields[] = {{"EN", 0, 0}, {"PERIODIC", 1, 1}, {"INITVAL", 2, 63}};
constexpr FieldInfo llbctl_fields[] = {{"ROLLB", 0, 0}, {"WCLLB", 1, 1}, {"KLO", 2, 2}};
constexpr FieldInfo tlbrera_fields[] = {{"ISTLBR", 0, 0}, {"PC", 2, 63}};
constexpr FieldInfo tlbrprmd_fields[] = {{"PPLV", 0, 1}, {"PIE", 2, 2}, {"PWE", 4, 4}};
constexpr FieldInfo dmw_fields[] = {{"PLV0", 0, 0}, {"PLV1", 1, 1}, {"PLV2", 2, 2},
                                    {"PLV3", 3, 3}, {"MAT", 4, 5},  {"VSEG", 60, 63}};
constexpr FieldInfo fcsr_fields[] = {
    {"ENABLES", 0, 4}, {"RM", 8, 9}, {"FLAGS", 16, 20}, {"CAUSE", 24, 28}};

constexpr FlagsInfo flags[] = {{"loongarch_fcsr", fpu, 4, fcsr_fields},
                               {"loongarch_crmd", csrs, 8, crmd_fields},
                               {"loongarch_prmd", csrs, 8, prmd_fields},
                               {"loongarch_euen", csrs, 8, euen_fields},
                               {"loongarch_ecfg", csrs, 8, ecfg_fields},
                               {"loongarch_estat", csrs, 8, estat_fields},
                               {"loongarch_tlbidx", csrs, 8, tlbidx_fields},
                               {"loongarch_tlbelo", csrs, 8, tlbelo_fields},
                               {"loongarch_asid", csrs, 8, asid_fields},
                               {"loongarch_pwcl", csrs, 8, pwcl_fields},
                               {"loongarch_pwch", csrs, 8, pwch_fields},
                               {"loongarch_tcfg", csrs, 8, tcfg_fields},
                               {"loongarch_llbctl", csrs, 8, llbctl_fields},
                               {"loongarch_tlbrera", csrs, 8, tlbrera_fields},
                               {"loongarch_tlbrprmd", csrs, 8, tlbrprmd_fields},
                               {"loongarch_dmw", csrs, 8, dmw_fields}};

// struct elf_prstatus of LoongArch (Linux, include/linux/elfcore.h): the thread id at 32, 45
// registers (r0 to r31, orig_a0, pc, badv, then system registers) at 112, pr_fpvalid and padding.
constexpr std::size_t prstatus_registers = 45;
constexpr std::string_view prstatus_system[] = {"pc",   "badv", "crmd", "prmd",
                                                "euen", "ecfg", "estat"};
constexpr auto make_prstatus() {
  std::array<CoreField, 3 + prstatus_registers + 1> out{};
  out[0] = {.bytes = 32};
  out[1] = {.bytes = 4, .value = 1, .vcpu = true};
  out[2] = {.bytes = 76};
  for (std::size_t n = 1; n < 32; ++n) {
    out[3 + n] = {.reg = r_names[n]};
  }
  for (std::size_t n = 0; n < std::size(prstatus_system); ++n) {
    out[3 + 33 + n] = {.reg = prstatus_system[n]};
  }
  return out;
}
constexpr auto prstatus = make_prstatus();
static_assert(size_of(prstatus) == 480);
constexpr CoreNote notes[] = {{"CORE", 1, prstatus}};

const ArchInfo info{"loongarch64",
                    "loongarch64",
                    "loongarch64-unknown-unknown",
                    tables.info,
                    flags,
                    RegisterId{pc},
                    RegisterId{3},
                    RegisterId{22},
                    RegisterId{first_csr},
                    elf_machine,
                    4,
                    notes};

} // namespace

const ArchInfo& arch_info() {
  return info;
}

std::span<const Source> sources() {
  return tables.source;
}

} // namespace kdbg::kvm::loongarch64
