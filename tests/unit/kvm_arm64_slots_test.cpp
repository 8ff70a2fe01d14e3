// arm64's debug-register pairs: encodings, cutting a range, which slot an address means.
#include "kvm/arch/arm64/slots.hpp"

#include <catch2/catch.hpp>

using namespace kdbg;
using namespace kdbg::kvm;
using namespace kdbg::kvm::arm64;

namespace {

DebugPlan watching(std::initializer_list<Slot> slots) {
  DebugPlan out;
  unsigned n = first_watch;
  for (const Slot& slot : slots)
    out.slots[n++] = slot;
  return out;
}
std::uint32_t watch_bit(unsigned n) {
  return 1u << (first_watch + n);
}

} // namespace

TEST_CASE("64: a hardware breakpoint is BCR 0x1e7 and the address in 52 bits") {
  CHECK(encode_breakpoint(0x1004).control == 0x1e7);
  CHECK(encode_breakpoint(0x1004).value == 0x1004);
  CHECK(encode_breakpoint(0xffff800010081234).value == 0xffff800010081234);
  CHECK(encode_breakpoint(0x5a00000000001000).value == 0x1000);
}

TEST_CASE("68: watch of 1, 2, 4, 8 bytes at each offset of a line") {
  for (std::uint64_t length = 1; length <= 8; ++length) {
    for (std::uint64_t offset = 0; offset + length <= 8; ++offset) {
      const Pair pair = encode_watch({0x2000 + offset, length, PointKind::access});
      INFO(length << " bytes at " << offset);
      CHECK(pair.value == 0x2000);
      CHECK((pair.control >> 5 & 0xff) == ((1u << length) - 1) << offset);
      CHECK((pair.control & 0x1f) == 0x1f); // E, PAC 3, LSC 3
      CHECK(pair.control >> 13 == 0);       // no MASK
    }
  }
  CHECK((encode_watch({0x2000, 4, PointKind::read}).control) == 0x1ef);  // LSC 1
  CHECK((encode_watch({0x2000, 4, PointKind::write}).control) == 0x1f7); // LSC 2
}

TEST_CASE("68: powers of two from 16 bytes to 2 GiB take a MASK") {
  for (unsigned log = 4; log <= 31; ++log) {
    const std::uint64_t length = std::uint64_t{1} << log;
    const Pair pair = encode_watch({length, length, PointKind::write});
    INFO("2^" << log);
    CHECK(pair.value == length);
    CHECK(pair.control >> 24 == log);
    CHECK((pair.control & 0x1fff) == 0x1ff7); // BAS is all ones with a MASK
  }
}

TEST_CASE("68: a range is cut into as few pairs as cover it exactly") {
  const struct {
    std::uint64_t address, length;
    std::vector<std::pair<std::uint64_t, std::uint64_t>> pieces;
  } cases[] = {
      {0x2000, 1, {{0x2000, 1}}},
      {0x2003, 5, {{0x2003, 5}}},
      {0x2003, 6, {{0x2003, 5}, {0x2008, 1}}}, // crosses a line
      {0x2000, 8, {{0x2000, 8}}},
      {0x2000, 16, {{0x2000, 16}}},
      {0x2008, 16, {{0x2008, 8}, {0x2010, 8}}},
      {0x2000, 24, {{0x2000, 16}, {0x2010, 8}}},
      {0x2004, 32, {{0x2004, 4}, {0x2008, 8}, {0x2010, 16}, {0x2020, 4}}},
      {0x80000000, 0x80000000, {{0x80000000, 0x80000000}}},
      {0, 0x100000000, {{0, 0x80000000}, {0x80000000, 0x80000000}}},
  };
  for (const auto& each : cases) {
    INFO(each.length << " bytes at " << each.address);
    const auto slots = split_watch(PointKind::write, each.address, each.length, 4);
    REQUIRE(slots.size() == each.pieces.size());
    for (std::size_t i = 0; i < slots.size(); ++i) {
      CHECK(slots[i].address == each.pieces[i].first);
      CHECK(slots[i].length == each.pieces[i].second);
      CHECK(slots[i].kind == PointKind::write);
    }
  }
  CHECK(split_watch(PointKind::write, 0x2004, 32, 3).empty());
  CHECK(split_watch(PointKind::write, 0x2004, 1ull << 40, 4).empty());
}

TEST_CASE("68: an address inside a watched range is that slot's, and every such slot's") {
  const DebugPlan plan = watching({{0x2000, 8, PointKind::write}, {0x2004, 4, PointKind::access}});
  CHECK(watch_hits(plan, 0x2000, true) == watch_bit(0));
  CHECK(watch_hits(plan, 0x2007, true) == (watch_bit(0) | watch_bit(1)));
  CHECK(watch_hits(plan, 0x2007, false) == watch_bit(1));
}

TEST_CASE("68: an address below the range goes to the nearest slot of the same direction") {
  const DebugPlan plan = watching({{0x2038, 8, PointKind::write},
                                   {0x2010, 4, PointKind::read},
                                   {0x3000, 4096, PointKind::write}});
  CHECK(watch_hits(plan, 0x2000, true) == watch_bit(0));  // DC ZVA of 64 bytes
  CHECK(watch_hits(plan, 0x2000, false) == watch_bit(1)); // LDP of vectors
  CHECK(watch_hits(plan, 0x2ff0, true) == watch_bit(2));
  CHECK(watch_hits(plan, 0x3fff, true) == watch_bit(2));             // the last byte is inside
  CHECK(watch_hits(plan, 0x4000, true) == watch_bit(2));             // one beyond is nearest
  CHECK(watch_hits(plan, 0x5a00000000002038, true) == watch_bit(0)); // a tag
  CHECK(watch_hits(DebugPlan{}, 0x2000, true) == 0);
}

TEST_CASE("68: a direction that no slot has is not taken at its word") {
  const DebugPlan plan = watching({{0x2000, 8, PointKind::write}});
  CHECK(watch_hits(plan, 0x2000, false) == watch_bit(0)); // an atomic that reads first
}
