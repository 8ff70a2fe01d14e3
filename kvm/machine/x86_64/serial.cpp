#include "kvm/machine/x86_64/serial.hpp"

#include <utility>

namespace kdbg::kvm {
namespace {

// register offsets
constexpr std::uint16_t data = 0, interrupt_enable = 1, identification = 2, line_control = 3,
                        modem_control = 4, line_status = 5, modem_status = 6, scratch = 7;
constexpr std::uint8_t divisor_access = 0x80, fifo_enabled = 0x01, loopback = 0x10, out2 = 0x08;
constexpr std::uint8_t enable_received = 0x01, enable_transmitter = 0x02;
constexpr std::uint8_t status_data_ready = 0x01, status_transmitter_empty = 0x60;
constexpr std::uint8_t modem_carrier_dsr_cts = 0xb0;
constexpr std::size_t most_waiting = 4096;

} // namespace

std::uint8_t Serial::interrupt_identification() {
  const std::uint8_t fifo = (state_.fifo_control & fifo_enabled) != 0 ? 0xc0 : 0;
  if ((state_.interrupt_enable & enable_received) != 0 && !state_.received.empty()) {
    return fifo | 0x04;
  }
  if ((state_.interrupt_enable & enable_transmitter) != 0 && state_.transmitter_interrupt) {
    return fifo | 0x02;
  }
  return fifo | 0x01; // none
}

void Serial::update_interrupt() {
  const bool level = (interrupt_identification() & 1) == 0 && (state_.modem_control & out2) != 0;
  if (level != std::exchange(level_, level)) raise_(level);
}

std::uint8_t Serial::read(std::uint16_t offset) {
  const std::lock_guard lock(mutex_);
  const bool divisor = (state_.line_control & divisor_access) != 0;
  std::uint8_t out = 0;
  switch (offset) {
  case data:
    if (divisor) return static_cast<std::uint8_t>(state_.divisor);
    if (!state_.received.empty()) {
      out = std::to_integer<std::uint8_t>(state_.received.front());
      state_.received.pop_front();
    }
    break;
  case interrupt_enable:
    out = divisor ? static_cast<std::uint8_t>(state_.divisor >> 8) : state_.interrupt_enable;
    break;
  case identification:
    out = interrupt_identification();
    if ((out & 0x0f) == 0x02) state_.transmitter_interrupt = false; // reading it acknowledges it
    break;
  case line_control:
    out = state_.line_control;
    break;
  case modem_control:
    out = state_.modem_control;
    break;
  case line_status:
    out = status_transmitter_empty | (state_.received.empty() ? 0 : status_data_ready);
    break;
  case modem_status:
    // in loopback the outputs DTR, RTS, OUT1, OUT2 come back as DSR, CTS, RI, DCD
    out = (state_.modem_control & loopback) == 0
              ? modem_carrier_dsr_cts
              : static_cast<std::uint8_t>(
                    (state_.modem_control & 1) << 5 | (state_.modem_control & 2) << 3 |
                    (state_.modem_control & 4) << 4 | (state_.modem_control & 8) << 4);
    break;
  case scratch:
    out = state_.scratch;
    break;
  default:
    break;
  }
  update_interrupt();
  return out;
}

void Serial::write(std::uint16_t offset, std::uint8_t value) {
  const std::lock_guard lock(mutex_);
  const bool divisor = (state_.line_control & divisor_access) != 0;
  switch (offset) {
  case data:
    if (divisor) {
      state_.divisor = static_cast<std::uint16_t>((state_.divisor & 0xff00) | value);
    } else if ((state_.modem_control & loopback) != 0) {
      if (state_.received.size() < most_waiting) state_.received.push_back(std::byte{value});
    } else {
      send_(std::byte{value});
    }
    if (!divisor) {
      state_.transmitter_interrupt = true; // sent at once: the holding register is empty again
    }
    break;
  case interrupt_enable:
    if (divisor) {
      state_.divisor = static_cast<std::uint16_t>((state_.divisor & 0xff) | value << 8);
    } else {
      if ((value & enable_transmitter) != 0 &&
          (state_.interrupt_enable & enable_transmitter) == 0) {
        state_.transmitter_interrupt = true;
      }
      state_.interrupt_enable = value & 0x0f;
    }
    break;
  case identification: // FIFO control when written
    state_.fifo_control = value;
    if ((value & 0x02) != 0) state_.received.clear();
    break;
  case line_control:
    state_.line_control = value;
    break;
  case modem_control:
    state_.modem_control = value & 0x1f;
    break;
  case scratch:
    state_.scratch = value;
    break;
  default:
    break;
  }
  update_interrupt();
}

void Serial::receive(ByteView bytes) {
  const std::lock_guard lock(mutex_);
  for (const std::byte byte : bytes) {
    if (state_.received.size() < most_waiting) state_.received.push_back(byte);
  }
  update_interrupt();
}

Serial::State Serial::save() {
  const std::lock_guard lock(mutex_);
  return state_;
}

void Serial::restore(State state) {
  const std::lock_guard lock(mutex_);
  state_ = std::move(state);
  update_interrupt();
}

} // namespace kdbg::kvm
