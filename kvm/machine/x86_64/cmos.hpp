#pragma once
/// The PC's CMOS: a real-time clock that shows the host's time in UTC, and battery-backed bytes in
/// which firmware finds the memory's size (Motorola MC146818; ports 0x70 and 0x71). Not locked.
#include "adapter/types.hpp"

#include <array>

namespace kdbg::kvm {

class Cmos {
public:
  static constexpr std::uint16_t index_port = 0x70, data_port = 0x71;

  /// All of its state, as a value.
  struct State {
    std::uint8_t index = 0;
    std::array<std::uint8_t, 128> bytes{};
  };
  /// For a machine with so many vCPUs and bytes of RAM, of which `low` are below 4 GiB.
  Cmos(std::size_t vcpus, std::uint64_t low, std::uint64_t memory);

  void select(std::uint8_t index) { state_.index = index & 0x7f; }
  void write(std::uint8_t value);
  std::uint8_t read() const;

  const State& save() const { return state_; }
  void restore(const State& state) { state_ = state; }

private:
  State state_;
};

} // namespace kdbg::kvm
