#include "kvm/machine/arm64/pl011.hpp"

#include <array>
#include <utility>

namespace kdbg::kvm {
namespace {

enum Register : std::uint64_t {
  data = 0x00,
  flags = 0x18,
  integer_baud = 0x24,
  fraction_baud = 0x28,
  line_control = 0x2c,
  control = 0x30,
  fifo_levels = 0x34,
  mask = 0x38,
  raw_status = 0x3c,
  masked_status = 0x40,
  clear = 0x44,
  dma = 0x48,
  identification = 0xfe0,
};
// UARTFR; UARTRIS
constexpr std::uint32_t transmitter_empty = 0x80, receiver_empty = 0x10;
constexpr std::uint32_t received_interrupt = 0x10, transmitted_interrupt = 0x20,
                        timeout_interrupt = 0x40;
// UARTPeriphID0-3 and UARTPCellID0-3 of revision r1p4
constexpr std::array<std::uint8_t, 8> ids{0x11, 0x10, 0x34, 0x00, 0x0d, 0xf0, 0x05, 0xb1};
constexpr std::size_t most_waiting = 4096;

} // namespace

std::uint32_t Pl011::raised() const {
  const std::uint32_t waiting =
      state_.received.empty() ? 0 : received_interrupt | timeout_interrupt;
  return waiting | (state_.transmitted ? transmitted_interrupt : 0);
}

void Pl011::update_interrupt() {
  const bool level = (raised() & state_.mask) != 0;
  if (std::exchange(level_, level) != level) raise_(level);
}

std::uint32_t Pl011::read(std::uint64_t offset) {
  const std::lock_guard lock(mutex_);
  switch (offset) {
  case data: {
    if (state_.received.empty()) return 0;
    const auto byte = std::to_integer<std::uint32_t>(state_.received.front());
    state_.received.pop_front();
    update_interrupt();
    return byte;
  }
  case flags:
    return transmitter_empty | (state_.received.empty() ? receiver_empty : 0);
  case integer_baud:
    return state_.integer_baud;
  case fraction_baud:
    return state_.fraction_baud;
  case line_control:
    return state_.line_control;
  case control:
    return state_.control;
  case fifo_levels:
    return state_.fifo_levels;
  case mask:
    return state_.mask;
  case raw_status:
    return raised();
  case masked_status:
    return raised() & state_.mask;
  case dma:
    return state_.dma;
  default:
    return offset >= identification && offset < size ? ids[(offset - identification) / 4] : 0;
  }
}

void Pl011::write(std::uint64_t offset, std::uint32_t value) {
  if (offset == data) send_(static_cast<std::byte>(value));
  const std::lock_guard lock(mutex_);
  switch (offset) {
  case data:
    state_.transmitted = true; // it leaves at once
    break;
  case integer_baud:
    state_.integer_baud = value;
    break;
  case fraction_baud:
    state_.fraction_baud = value;
    break;
  case line_control:
    state_.line_control = value;
    break;
  case control:
    state_.control = value;
    break;
  case fifo_levels:
    state_.fifo_levels = value;
    break;
  case mask:
    state_.mask = value;
    break;
  case clear:
    if ((value & transmitted_interrupt) != 0) state_.transmitted = false;
    break;
  case dma:
    state_.dma = value;
    break;
  default:
    break;
  }
  update_interrupt();
}

void Pl011::receive(ByteView bytes) {
  const std::lock_guard lock(mutex_);
  for (const std::byte byte : bytes) {
    if (state_.received.size() < most_waiting) state_.received.push_back(byte);
  }
  update_interrupt();
}

Pl011::State Pl011::save() {
  const std::lock_guard lock(mutex_);
  return state_;
}

void Pl011::restore(State state) {
  const std::lock_guard lock(mutex_);
  state_ = std::move(state);
  update_interrupt();
}

} // namespace kdbg::kvm
