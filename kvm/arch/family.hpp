#pragma once
/// The CPU families that kvmdbg knows, by the machine names of uname(2).
#include "kvm/arch.hpp"

namespace kdbg::kvm {

struct Family {
  std::string_view machine;      ///< x86_64, aarch64, loongarch64, riscv64
  std::uint16_t elf_machine = 0; ///< e_machine of its images
  /// Finds out what this host's KVM does, with guests of its own.
  Result<HostFacts> (*probe)(Kernel& kernel);
  /// As the host's guests have it.
  std::unique_ptr<const Arch> (*make)(const HostFacts& facts);
};

std::span<const Family> families();
/// unsupported: the sentence for architectures whose KVM has no debug interface, or none that
/// kvmdbg speaks.
Result<const Family*> family(std::string_view machine);
/// Of this host.
Result<const Family*> host_family();

} // namespace kdbg::kvm
