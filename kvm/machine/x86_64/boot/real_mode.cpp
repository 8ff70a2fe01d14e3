// What a flat binary finds in low memory: as much of a BIOS as needs no BIOS.
#include "kvm/machine/x86_64/boot/protocols.hpp"

#include <array>

namespace kdbg::kvm::boot {

/// Every vector leads to an IRET at f000:ff53, where PCs have their dummy handler: an INT of a
/// service that is not there comes back with nothing done.
Status put_real_mode(Ram& ram) {
  constexpr std::uint64_t table = 0, iret_at = 0xfff53, memory_size = 0x413;
  constexpr std::uint32_t iret_pointer = 0xf000ff53;
  constexpr std::byte iret{0xcf};
  std::array<std::uint32_t, 256> vectors{};
  vectors.fill(iret_pointer);
  TRY(put_value(ram, table, vectors, "interrupt vectors"));
  TRY(put_value(ram, iret_at, iret, "interrupt return"));
  return put_value(ram, memory_size, static_cast<std::uint16_t>(low_memory_end / 1024),
                   "BIOS data area");
}

} // namespace kdbg::kvm::boot
