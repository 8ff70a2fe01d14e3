// Guest-physical memory with holes in it.
#include "kvm/memory.hpp"

#include <catch2/catch.hpp>

using namespace kdbg;
using namespace kdbg::kvm;

namespace {

/// 0-10, 10-18 (adjacent, another mapping), a hole, 100-108.
struct Holes {
  Bytes low = Bytes(0x10, std::byte{1}), next = Bytes(8, std::byte{2}),
        high = Bytes(8, std::byte{3});
  Ram ram{{{0, low}, {0x10, next}, {0x100, high}}};
  std::size_t read(std::uint64_t at, std::size_t length) {
    Bytes out(length, std::byte{0xee});
    const std::size_t done = ram.read(GuestPhys{at}, out);
    for (std::size_t i = 0; i < length; ++i) {
      const std::uint64_t from = at + i;
      const unsigned want = i >= done ? 0xee : from < 0x10 ? 1 : from < 0x18 ? 2 : 3;
      CHECK(std::to_integer<unsigned>(out[i]) == want);
    }
    return done;
  }
};

} // namespace

TEST_CASE("a read goes on through adjacent ranges and ends at a hole") {
  Holes holes;
  CHECK(holes.read(0, 0) == 0);
  CHECK(holes.read(0, 0x10) == 0x10);
  CHECK(holes.read(0xf, 2) == 2);
  CHECK(holes.read(0, 0x18) == 0x18);
  CHECK(holes.read(0, 0x19) == 0x18);
  CHECK(holes.read(0x17, 100) == 1);
  CHECK(holes.read(0x18, 1) == 0);
  CHECK(holes.read(0xff, 2) == 0);
  CHECK(holes.read(0x100, 8) == 8);
  CHECK(holes.read(0x107, 2) == 1);
  CHECK(holes.read(0x108, 1) == 0);
  CHECK(holes.read(~std::uint64_t{0}, 1) == 0);
  CHECK(holes.read(~std::uint64_t{0}, 2) == 0);
}

TEST_CASE("a write does the same, and touches nothing behind the hole") {
  Holes holes;
  const Bytes data(0x200, std::byte{9});
  CHECK(holes.ram.write(GuestPhys{0xe}, data) == 10);
  CHECK(holes.low == [] {
    Bytes out(0x10, std::byte{1});
    out[0xe] = out[0xf] = std::byte{9};
    return out;
  }());
  CHECK(holes.next == Bytes(8, std::byte{9}));
  CHECK(holes.high == Bytes(8, std::byte{3}));
  CHECK(holes.ram.write(GuestPhys{0x80}, data) == 0);
}

TEST_CASE("values are loaded and stored whole or reported as not there") {
  Holes holes;
  std::uint32_t value = 0;
  CHECK(holes.ram.load(GuestPhys{0xe}, value));
  CHECK(value == 0x02020101);
  CHECK_FALSE(holes.ram.load(GuestPhys{0x15}, value));
  CHECK(holes.ram.store(GuestPhys{0x100}, std::uint64_t{0x1122334455667788}));
  CHECK(holes.high[0] == std::byte{0x88});
  CHECK_FALSE(holes.ram.store(GuestPhys{0x101}, std::uint64_t{0}));
}

TEST_CASE("a range that ends with the address space") {
  Bytes top(0x10, std::byte{5});
  Ram ram({{~std::uint64_t{0} - 0xf, top}});
  Bytes out(0x20);
  CHECK(ram.read(GuestPhys{~std::uint64_t{0} - 1}, out) == 2);
  CHECK(ram.read(GuestPhys{0}, out) == 0);
  CHECK(Ram({}).read(GuestPhys{0}, out) == 0);
}
