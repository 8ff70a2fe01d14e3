#pragma once
/// A CPU family described as data: one register table, from which gdb's target.xml, lldb's
/// register info and DAP's scopes are all rendered. Knows no protocol.
#include <cstdint>
#include <span>
#include <string_view>

namespace kdbg {

/// Position in ArchInfo::registers; also the RSP register number.
enum class RegisterId : std::uint16_t {};
constexpr std::size_t index(RegisterId id) {
  return static_cast<std::size_t>(id);
}

/// Where a register's value lives in KVM. Reading one of a group reads the group at once.
enum class RegisterGroup : std::uint8_t { general, system, fpu, debug, msr };

struct RegisterInfo {
  std::string_view name;
  std::uint16_t bits = 64;  ///< multiple of 8; values are little-endian
  std::string_view type;    ///< gdb's type name: int64, code_ptr, i387_ext, vec128, or a flags type
  std::string_view feature; ///< target.xml feature that holds it
  RegisterGroup group = RegisterGroup::general;
  std::string_view role = {}; ///< "", or pc, sp, fp, flags
  std::int16_t dwarf = -1;    ///< DWARF number, -1 for none
  bool in_g = true;           ///< part of RSP's g packet (a prefix of the table)
};

/// One bit or bit range of a flags type, for decoded rendering.
struct FieldInfo {
  std::string_view name;
  std::uint8_t first = 0, last = 0;
};
struct FlagsInfo {
  std::string_view name, feature;
  std::uint8_t bytes = 8;
  std::span<const FieldInfo> fields;
};

/// One field of a note in a core file: a register, the vCPU's number or a constant.
struct CoreField {
  std::uint8_t bytes = 8;    ///< more than 8 are the register's first bytes as they stand
  std::string_view reg = {}; ///< by name; "" for none
  std::uint64_t value = 0;   ///< added to the register's, or all there is
  std::uint8_t shift = 0;    ///< the register's value is cut by `mask`, then moved to the left
  std::uint64_t mask = ~std::uint64_t{0};
  bool vcpu = false; ///< the vCPU's number is added
};
/// Of all their values, in bytes.
constexpr std::size_t size_of(std::span<const CoreField> fields) {
  std::size_t size = 0;
  for (const CoreField& field : fields) {
    size += field.bytes;
  }
  return size;
}
/// A note that every vCPU has in a core file.
struct CoreNote {
  std::string_view name;
  std::uint32_t type = 0;
  std::span<const CoreField> fields;
};

struct ArchInfo {
  std::string_view name;     ///< x86_64
  std::string_view gdb_name; ///< i386:x86-64
  std::string_view triple;   ///< x86_64-unknown-unknown
  std::span<const RegisterInfo> registers;
  std::span<const FlagsInfo> flags;
  RegisterId pc{}, sp{}, fp{}, flags_register{};
  std::uint16_t elf_machine = 0;   ///< e_machine of core files
  std::uint8_t code_alignment = 1; ///< of instructions, in bytes
  std::span<const CoreNote> core_notes = {};
};

} // namespace kdbg
