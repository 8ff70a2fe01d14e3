#include "kvm/machine/x86_64/cmos.hpp"

#include <algorithm>
#include <ctime>
#include <optional>

namespace kdbg::kvm {
namespace {

constexpr std::uint64_t kib = 1024, mib = kib * kib, chunk = 64 * kib;
// Registers. From 0x15 on by custom: IBM's, then Bochs' and QEMU's.
constexpr std::size_t status_a = 0x0a, status_b = 0x0b, status_d = 0x0d, base_memory = 0x15,
                      extended_memory = 0x17, extended_again = 0x30, above_16_mib = 0x34,
                      century = 0x32, above_4_gib = 0x5b, more_cpus = 0x5f;

std::uint8_t bcd(int value) {
  return static_cast<std::uint8_t>(value / 10 << 4 | value % 10);
}

std::optional<std::uint8_t> clock(std::uint8_t index_of) {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  ::gmtime_r(&now, &utc);
  switch (index_of) {
  case 0x00:
    return bcd(utc.tm_sec);
  case 0x02:
    return bcd(utc.tm_min);
  case 0x04:
    return bcd(utc.tm_hour);
  case 0x06:
    return bcd(utc.tm_wday + 1);
  case 0x07:
    return bcd(utc.tm_mday);
  case 0x08:
    return bcd(utc.tm_mon + 1);
  case 0x09:
    return bcd(utc.tm_year % 100);
  case century:
    return bcd(19 + utc.tm_year / 100);
  default:
    return {};
  }
}

/// What a guest cannot change: the clock's way of counting.
bool fixed(std::uint8_t index_of) {
  return index_of <= status_d && index_of != 0x0c;
}

} // namespace

Cmos::Cmos(std::size_t vcpus, std::uint64_t low, std::uint64_t memory) {
  auto& bytes = state_.bytes;
  const auto put = [&](std::size_t at, std::uint64_t value, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      bytes[at + i] = static_cast<std::uint8_t>(value >> (8 * i));
    }
  };
  bytes[status_a] = 0x26; // 32768 Hz, not updating
  bytes[status_b] = 0x02; // 24 hours, BCD
  bytes[status_d] = 0x80; // battery good
  put(base_memory, 640, 2);
  const std::uint64_t extended = std::min((low - std::min(low, mib)) / kib, std::uint64_t{0xffff});
  put(extended_memory, extended, 2);
  put(extended_again, extended, 2);
  const std::uint64_t far = low - std::min(low, 16 * mib);
  put(above_16_mib, std::min(far / chunk, std::uint64_t{0xffff}), 2);
  put(above_4_gib, (memory - low) / chunk, 3);
  bytes[more_cpus] = static_cast<std::uint8_t>(vcpus - 1);
}

void Cmos::write(std::uint8_t value) {
  if (!fixed(state_.index)) state_.bytes[state_.index] = value;
}

std::uint8_t Cmos::read() const {
  return clock(state_.index).value_or(state_.bytes[state_.index]);
}

} // namespace kdbg::kvm
