#pragma once
/// A 16550A UART at the PC's COM1 addresses, as much of it as operating systems and firmware use
/// (National Semiconductor PC16550D data sheet). Knows no file and no thread of its own.
#include "adapter/types.hpp"

#include <deque>
#include <functional>
#include <mutex>

namespace kdbg::kvm {

class Serial {
public:
  static constexpr std::uint16_t base = 0x3f8, ports = 8;
  static constexpr unsigned irq = 4;

  /// All of its state, as a value.
  struct State {
    std::uint8_t interrupt_enable = 0, fifo_control = 0, line_control = 0, modem_control = 0,
                 scratch = 0;
    std::uint16_t divisor = 12;
    bool transmitter_interrupt = false;
    std::deque<std::byte> received;
  };

  /// `send` takes what the guest transmits, `raise` the level of the interrupt line. Both are
  /// called on whatever thread caused it.
  Serial(std::function<void(std::byte)> send, std::function<void(bool)> raise)
      : send_(std::move(send)), raise_(std::move(raise)) {}

  std::uint8_t read(std::uint16_t offset);
  void write(std::uint16_t offset, std::uint8_t value);
  /// From the outside world; more than 4096 waiting bytes are dropped, as on a wire.
  void receive(ByteView data);

  State save();
  void restore(State state);

private:
  void update_interrupt();
  std::uint8_t interrupt_identification();

  std::function<void(std::byte)> send_;
  std::function<void(bool)> raise_;
  std::mutex mutex_;
  State state_;
  bool level_ = false;
};

} // namespace kdbg::kvm
