#include "kvm/arch/arm64/registers.hpp"

#include "kvm/arch/arm64/abi.hpp"
#include "kvm/arch/arm64/core_notes.hpp"
#include "kvm/arch/arm64/system_registers.hpp"

#include <fmt/format.h>

namespace kdbg::kvm::arm64 {
namespace {

using Group = RegisterGroup;
constexpr std::string_view fpu_feature = "org.gnu.gdb.aarch64.fpu",
                           sve_feature = "org.gnu.gdb.aarch64.sve";
// DWARF numbers: DWARF for the Arm 64-bit Architecture, 4.1
constexpr std::int16_t dwarf_vg = 46, dwarf_ffr = 47, dwarf_p0 = 48, dwarf_v0 = 64, dwarf_z0 = 96;
constexpr unsigned vectors = 32, predicates = 16;

constexpr std::int16_t plus(std::int16_t first, unsigned n) {
  return static_cast<std::int16_t>(first + static_cast<std::int16_t>(n));
}

/// Beyond g, which is for every stop: debuggers read one when somebody looks at it.
constexpr RegisterInfo beyond_g(std::string_view name,
                                unsigned bits,
                                std::string_view type,
                                std::string_view feature,
                                Group group,
                                std::int16_t dwarf = -1) {
  return {name, static_cast<std::uint16_t>(bits), type, feature, group, "", dwarf, false};
}

} // namespace

void RegisterTable::add(const RegisterInfo& info, const Place& place) {
  infos_.push_back(info);
  places_.push_back(place);
}

std::string_view RegisterTable::numbered(std::string_view stem, unsigned n) {
  return names_.emplace_back(fmt::format("{}{}", stem, n));
}

void RegisterTable::add_core() {
  constexpr unsigned general = 31, frame_pointer = 29;
  for (unsigned n = 0; n < general; ++n) {
    add({numbered("x", n), 64, "int", core_feature, Group::general, n == frame_pointer ? "fp" : "",
         plus(0, n)},
        {Source::plain, reg::x(n)});
  }
  add({"sp", 64, "data_ptr", core_feature, Group::general, "sp", 31}, {Source::stack_pointer});
  add({"pc", 64, "code_ptr", core_feature, Group::general, "pc", 32}, {Source::plain, reg::pc});
  add({"cpsr", 32, "cpsr_flags", core_feature, Group::general, "flags"}, {Source::state});
}

/// gdb takes either feature, not both: with SVE its v registers are views of z.
void RegisterTable::add_vectors() {
  for (unsigned n = 0; n < vectors; ++n) {
    add(beyond_g(numbered("v", n), 128, "aarch64v", fpu_feature, Group::fpu, plus(dwarf_v0, n)),
        {Source::vector, reg::v(n)});
  }
  add(beyond_g("fpsr", 32, "int", fpu_feature, Group::fpu), {Source::plain, reg::fpsr});
  add(beyond_g("fpcr", 32, "int", fpu_feature, Group::fpu), {Source::plain, reg::fpcr});
}

void RegisterTable::add_scalable(unsigned vector_bytes) {
  const auto scalable = [&](std::string_view name, unsigned bits, std::string_view type,
                            std::int16_t dwarf, const Place& place) {
    add(beyond_g(name, bits, type, sve_feature, Group::fpu, dwarf), place);
  };
  for (unsigned n = 0; n < vectors; ++n) {
    scalable(numbered("z", n), 8 * vector_bytes, "svev", plus(dwarf_z0, n),
             {Source::plain, reg::z(n)});
  }
  scalable("fpsr", 32, "int", -1, {Source::plain, reg::fpsr});
  scalable("fpcr", 32, "int", -1, {Source::plain, reg::fpcr});
  for (unsigned n = 0; n < predicates; ++n) {
    scalable(numbered("p", n), vector_bytes, "svep", plus(dwarf_p0, n), {Source::plain, reg::p(n)});
  }
  scalable("ffr", vector_bytes, "svep", dwarf_ffr, {Source::plain, reg::ffr});
  scalable("vg", 64, "int", dwarf_vg, {Source::granules, reg::vector_lengths});
}

void RegisterTable::add_system() {
  for (const SystemRegister& each : system_registers()) {
    add(beyond_g(each.name, 64, each.type, system_feature, Group::system),
        {Source::plain, each.id});
  }
}

void RegisterTable::add_guests_debug() {
  for (const SystemRegister& each : debug_registers()) {
    add(beyond_g(each.name, 64, each.type, debug_feature, Group::debug), {Source::plain, each.id});
  }
  constexpr std::string_view stems[] = {"dbgbvr", "dbgbcr", "dbgwvr", "dbgwcr"};
  constexpr unsigned first_op2 = 4; // DBGBVR<n>_EL1 is 2, 0, 0, n, 4; the others follow
  for (unsigned which = 0; which < std::size(stems); ++which) {
    for (unsigned n = 0; n < most_pairs; ++n) {
      add(beyond_g(numbered(stems[which], n), 64, "uint64", debug_feature, Group::debug),
          {Source::plain, reg::sysreg(2, 0, 0, n, first_op2 + which)});
    }
  }
}

RegisterTable::RegisterTable(const HostFacts& facts) {
  add_core();
  if (facts.sve) {
    add_scalable(facts.sve_bytes != 0 ? facts.sve_bytes : reg::most_vector_bytes);
  } else {
    add_vectors();
  }
  add_system();
  add_guests_debug();
  constexpr std::uint16_t em_aarch64 = 183;
  constexpr std::uint8_t instruction_bytes = 4;
  info_ = {.name = "aarch64",
           .gdb_name = "aarch64",
           .triple = "aarch64-unknown-unknown",
           .registers = infos_,
           .flags = flag_types(),
           .pc = RegisterId{reg_pc},
           .sp = RegisterId{reg_sp},
           .fp = RegisterId{29},
           .flags_register = RegisterId{reg_cpsr},
           .elf_machine = em_aarch64,
           .code_alignment = instruction_bytes,
           .core_notes = core_notes(facts.sve)};
}

} // namespace kdbg::kvm::arm64
