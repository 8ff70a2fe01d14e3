#pragma once
/// What memory an A64 instruction touches (Arm ARM, C4.1.94 and, for SVE, C4.1.37): for watches
/// that are compared after each step, and for watchpoint exits without an address.
#include <cstdint>
#include <optional>

namespace kdbg::kvm::arm64 {

struct MemoryOperand {
  std::uint8_t base = 31;                  ///< 31: the stack pointer
  bool literal = false;                    ///< relative to pc, without `base`
  std::optional<std::uint8_t> index{};     ///< 31: zero
  std::uint8_t extend = 3;                 ///< of the index, the `option` field: 3 is 64 bits
  std::uint8_t shift = 0;                  ///< of the index, bits to the left
  std::int64_t displacement = 0;           ///< bytes
  std::uint64_t length = 0, alignment = 1; ///< bytes; the address is rounded down to the latter
  bool reads = false, writes = false;
  bool authenticated = false; ///< `base` holds a pointer authentication code
};

/// Nothing: it touches none, or is one of those that are not decoded: SVE's gathers and
/// scatters, the memory copy and set instructions, accesses to allocation tags. `vector_bytes`:
/// of the SVE vectors.
std::optional<MemoryOperand> decode_memory(std::uint32_t word, unsigned vector_bytes);

/// Values of the base (of pc for a literal) and of the index register.
std::uint64_t address_of(const MemoryOperand& operand, std::uint64_t base, std::uint64_t index);

} // namespace kdbg::kvm::arm64
