#pragma once
/// The system registers that a debugger is shown, as data: names, encodings, decoded bits.
#include "adapter/registers.hpp"

namespace kdbg::kvm::arm64 {

struct SystemRegister {
  std::string_view name;
  std::uint64_t id = 0; ///< ONE_REG
  std::string_view type = "uint64";
};

inline constexpr std::string_view core_feature = "org.gnu.gdb.aarch64.core",
                                  system_feature = "org.kvmdbg.aarch64.system",
                                  debug_feature = "org.kvmdbg.aarch64.debug";

std::span<const SystemRegister> system_registers();
/// The guest's own; KVM keeps them apart from ours.
std::span<const SystemRegister> debug_registers();
std::span<const FlagsInfo> flag_types();

} // namespace kdbg::kvm::arm64
