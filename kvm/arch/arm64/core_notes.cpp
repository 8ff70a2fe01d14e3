#include "kvm/arch/arm64/core_notes.hpp"

#include <array>

namespace kdbg::kvm::arm64 {
namespace {

constexpr CoreField zeros(std::uint8_t bytes) {
  return {.bytes = bytes};
}
constexpr CoreField reg(std::string_view name, std::uint8_t bytes = 8) {
  return {.bytes = bytes, .reg = name};
}

// struct elf_prstatus of arm64 (Linux, include/linux/elfcore.h): 392 bytes, of which debuggers read
// the thread id at 32 and user_pt_regs at 112.
constexpr CoreField prstatus[] = {zeros(32),   {.bytes = 4, .value = 1, .vcpu = true},
                                  zeros(76),   reg("x0"),
                                  reg("x1"),   reg("x2"),
                                  reg("x3"),   reg("x4"),
                                  reg("x5"),   reg("x6"),
                                  reg("x7"),   reg("x8"),
                                  reg("x9"),   reg("x10"),
                                  reg("x11"),  reg("x12"),
                                  reg("x13"),  reg("x14"),
                                  reg("x15"),  reg("x16"),
                                  reg("x17"),  reg("x18"),
                                  reg("x19"),  reg("x20"),
                                  reg("x21"),  reg("x22"),
                                  reg("x23"),  reg("x24"),
                                  reg("x25"),  reg("x26"),
                                  reg("x27"),  reg("x28"),
                                  reg("x29"),  reg("x30"),
                                  reg("sp"),   reg("pc"),
                                  reg("cpsr"), zeros(8)}; // fpvalid, padding

constexpr std::string_view v_names[] = {"v0",  "v1",  "v2",  "v3",  "v4",  "v5",  "v6",  "v7",
                                        "v8",  "v9",  "v10", "v11", "v12", "v13", "v14", "v15",
                                        "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23",
                                        "v24", "v25", "v26", "v27", "v28", "v29", "v30", "v31"};
constexpr std::string_view z_names[] = {"z0",  "z1",  "z2",  "z3",  "z4",  "z5",  "z6",  "z7",
                                        "z8",  "z9",  "z10", "z11", "z12", "z13", "z14", "z15",
                                        "z16", "z17", "z18", "z19", "z20", "z21", "z22", "z23",
                                        "z24", "z25", "z26", "z27", "z28", "z29", "z30", "z31"};

/// struct user_fpsimd_state: the vectors, or the first 16 bytes of scalable ones.
constexpr auto fpregset(std::span<const std::string_view, 32> names) {
  std::array<CoreField, 35> out{};
  for (std::size_t n = 0; n < names.size(); ++n) {
    out[n] = reg(names[n], 16);
  }
  out[32] = reg("fpsr", 4);
  out[33] = reg("fpcr", 4);
  out[34] = zeros(8);
  return out;
}
constexpr auto fixed = fpregset(v_names), scalable_first = fpregset(z_names);

static_assert(size_of(prstatus) == 392 && size_of(fixed) == 528 && size_of(scalable_first) == 528);

constexpr CoreNote fixed_notes[] = {{"CORE", 1, prstatus}, {"CORE", 2, fixed}},
                   scalable_notes[] = {{"CORE", 1, prstatus}, {"CORE", 2, scalable_first}};

} // namespace

std::span<const CoreNote> core_notes(bool scalable) {
  if (scalable) return scalable_notes;
  return fixed_notes;
}

} // namespace kdbg::kvm::arm64
