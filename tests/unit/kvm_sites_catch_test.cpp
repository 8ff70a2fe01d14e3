// Catchpoints as sites: ranges of MSRs, an exception's handler.
#include "tests/unit/kvm_sites_rig.hpp"

using namespace kdbg;
using namespace kdbg::test::on_small_memory;

TEST_CASE("MSRs to catch become the fewest ranges that KVM takes") {
  HostFacts facts = hardware();
  facts.register_exits = true;
  Rig rig(facts);
  const auto msr = [](std::uint64_t first, std::uint64_t count) {
    return Point{PointKind::msr, Address{first}, count};
  };
  using Ranges = std::vector<Intercepts::Range>;
  rig.have({msr(0x20, 0x10), msr(0x28, 4), msr(0x30, 8), msr(0x2c, 8), msr(0, 1)});
  CHECK(rig.sites.intercepts()->registers == Ranges{{0, 1}, {0x20, 0x18}});
  CHECK(rig.of(msr(0, 1)).method == Method::exits);
  rig.have({msr(0xc0000000, 0x5000)}); // longer than one bitmap
  CHECK(rig.sites.intercepts()->registers ==
        Ranges{{0, 1}, {0x20, 0x18}, {0xc0000000, 0x3000}, {0xc0003000, 0x2000}});
  for (std::uint64_t n = 0; n < 12; ++n)
    REQUIRE(rig.add(msr(0x10000 + 2 * n, 1)));
  auto added = rig.add(msr(0x20000, 1));
  REQUIRE_FALSE(added);
  CHECK(added.error().code == Code::no_free_slot);
  CHECK(rig.add(msr(0x10001, 1))); // joins two
  CHECK(rig.add(msr(0x20000, 1)));
  CHECK(rig.add(msr(0, std::uint64_t{1} << 32)).error().code == Code::unsupported); // the x2APIC
}

TEST_CASE("a caught exception is a site at its handler, and follows it") {
  HostFacts facts = hardware();
  Rig rig(facts);
  const Point fault{PointKind::exception, Address{14}, 1};
  rig.have({fault});
  CHECK(rig.of(fault).method == Method::pending);
  CHECK(rig.of(fault).note == "no IDT yet");
  CHECK(rig.sites.unsettled());
  rig.handlers[14] = 0x11000;
  REQUIRE(rig.place());
  CHECK(rig.of(fault).linear == 0x11000);
  CHECK(rig.patched() == Addresses{0x1000});
  rig.handlers[14] = 0x12000;
  REQUIRE(rig.place());
  CHECK(rig.patched() == Addresses{0x2000});
  rig.handlers.clear();
  REQUIRE(rig.place());
  CHECK(rig.patched().empty());
  CHECK(rig.of(fault).method == Method::pending);
}

TEST_CASE("a catchpoint on what has no direction takes none") {
  HostFacts facts = hardware();
  facts.hypercall_exits = 1u << 12;
  Rig rig(facts);
  for (const PointKind kind : {PointKind::hypercall, PointKind::exception}) {
    Point point{kind, Address{12}, 1};
    point.writes = false;
    const auto refused = rig.add(point);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Code::bad_request);
    point.writes = true;
    CHECK(rig.add(point));
  }
}
