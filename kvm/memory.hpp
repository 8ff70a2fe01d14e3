#pragma once
/// Guest-physical memory, copied in and out. Knows no page tables.
#include "adapter/result.hpp"
#include "adapter/types.hpp"

namespace kdbg::kvm {

class GuestMemory {
public:
  virtual ~GuestMemory() = default;
  /// How many bytes were copied: fewer than asked when a hole follows, 0 when it starts in one.
  virtual std::size_t read(GuestPhys at, std::span<std::byte> out) const = 0;
  /// As read. Writes ROM as well: a debugger may.
  virtual std::size_t write(GuestPhys at, ByteView data) = 0;
  /// Memory whose writes by the guest are lost.
  virtual bool rom(GuestPhys at) const = 0;
  /// Where there is memory: sorted, disjoint.
  virtual std::vector<MemoryRange> extent() const = 0;

  /// A value that must be there whole.
  template <class T>
  bool load(GuestPhys at, T& out) const {
    return read(at, std::as_writable_bytes(std::span(&out, 1))) == sizeof(T);
  }
  template <class T>
  bool store(GuestPhys at, const T& value) {
    return write(at, std::as_bytes(std::span(&value, 1))) == sizeof(T);
  }
};

/// RAM that this process has mapped: sorted, disjoint ranges.
class Ram final : public GuestMemory {
public:
  struct Range {
    std::uint64_t start = 0;
    std::span<std::byte> bytes;
    bool rom = false; ///< the guest's writes are lost
  };
  explicit Ram(std::vector<Range> ranges) : ranges_(std::move(ranges)) {}
  std::size_t read(GuestPhys at, std::span<std::byte> out) const override;
  std::size_t write(GuestPhys at, ByteView data) override;
  bool rom(GuestPhys at) const override;
  std::vector<MemoryRange> extent() const override;
  std::span<const Range> ranges() const { return ranges_; }

private:
  /// The mapped bytes from `at` on, at most `length`; empty in a hole.
  std::span<std::byte> span_at(std::uint64_t at, std::size_t length) const;
  std::vector<Range> ranges_;
};

} // namespace kdbg::kvm
