#pragma once
/// Arm's PL011 UART, as much of it as operating systems and firmware use (DDI 0183G). Knows no file
/// and no thread of its own.
#include "adapter/types.hpp"

#include <deque>
#include <functional>
#include <mutex>

namespace kdbg::kvm {

class Pl011 {
public:
  static constexpr std::uint64_t size = 0x1000; ///< bytes of its registers

  /// All of its state, as a value.
  struct State {
    std::uint32_t integer_baud = 0, fraction_baud = 0, line_control = 0, control = 0x300,
                  fifo_levels = 0x12, mask = 0, dma = 0;
    bool transmitted = false; ///< its interrupt is raised: there is room again
    std::deque<std::byte> received;
  };

  /// `send` takes what the guest transmits, `raise` the level of the interrupt line. Both are
  /// called on whatever thread caused it.
  Pl011(std::function<void(std::byte)> send, std::function<void(bool)> raise)
      : send_(std::move(send)), raise_(std::move(raise)) {}

  std::uint32_t read(std::uint64_t offset);
  void write(std::uint64_t offset, std::uint32_t value);
  /// From the outside world; more than 4096 waiting bytes are dropped, as on a wire.
  void receive(ByteView data);

  State save();
  void restore(State state);

private:
  std::uint32_t raised() const;
  void update_interrupt();

  std::function<void(std::byte)> send_;
  std::function<void(bool)> raise_;
  std::mutex mutex_;
  State state_;
  bool level_ = false;
};

} // namespace kdbg::kvm
