#include "protocols/gdb/text.hpp"
#include "tests/fakes/recording_client.hpp"

#include <catch2/catch.hpp>

namespace kdbg::gdb {
namespace {

using fakes::GdbClient;
using fakes::Machine;

TEST_CASE("each Z type inserts its kind and z takes it out") {
  Machine machine;
  GdbClient client(machine);
  const unsigned type = GENERATE(0U, 1U, 2U, 3U, 4U);
  const std::string words = std::to_string(type) + ",1010,8";
  CHECK(client.ask("Z" + words) == "OK");
  CHECK(client.ask("Z" + words) == "OK"); // again: idempotent
  REQUIRE(machine.target.points().size() == 1);
  const Point point = machine.target.points()[0].point;
  CHECK(point.kind == static_cast<PointKind>(type));
  CHECK(point.at.value == 0x1010);
  CHECK(point.length == 8);
  CHECK(client.ask("z" + words) == "OK");
  CHECK(machine.target.points().empty());
  CHECK(client.ask("z" + words) == "E16");
}

TEST_CASE("a watch that this host can never make is answered empty, so that gdb steps") {
  Machine machine;
  machine.target.can.hardware_watch = false;
  GdbClient client(machine);
  CHECK(client.ask("Z2,1000,4").empty());
  CHECK(client.ask("Z0,1000,1") == "OK");
  machine.target.can.stepped_watch = true;
  CHECK(client.ask("Z2,1000,4") == "OK");
}

TEST_CASE("a breakpoint that cannot be made is never answered empty") {
  Machine machine;
  GdbClient client(machine);
  for (Code code : {Code::unsupported, Code::no_free_slot, Code::memory_fault}) {
    machine.target.next_error = Error{code, "no"};
    CHECK(client.ask("Z0,1000,1").starts_with("E"));
  }
  CHECK(machine.target.points().empty());
}

TEST_CASE("lengths and addresses at their edges") {
  Machine machine;
  GdbClient client(machine);
  CHECK(client.ask("Z2,1000,0") == "E16");
  CHECK(client.ask("Z0,1000,0") == "E16");
  CHECK(client.ask("Z2,fffffffffffffffc,4") == "OK");
  CHECK(client.ask("Z2,fffffffffffffffd,4") == "E16");
  CHECK(client.ask("Z2,0,ffffffffffffffff") == "OK");
  CHECK(client.ask("Z2,11111111111111111,1") == "E16");
  CHECK(client.ask("Z5,1000,1") == "E5f");
  CHECK(client.ask("Z") == "E16");
  CHECK(client.ask("Z0") == "E16");
  CHECK(client.ask("Z0,1000,1,") == "E16");
}

TEST_CASE("conditions and commands come with the point, and go when it is sent without them") {
  Machine machine;
  GdbClient client(machine);
  CHECK_THAT(client.ask("qSupported"), Catch::Matchers::Contains("ConditionalBreakpoints+") &&
                                           Catch::Matchers::Contains("BreakpointCommands+"));
  const Point point{PointKind::software, {0x1000}, 1};
  CHECK(client.ask("Z0,1000,1;X3,220127X3,220027;cmds:1,Xb,220022003400000361620027") == "E16");
  CHECK(client.ask("Z0,1000,1;X3,220127X3,220027;cmds:1,Xb,2200220034000002610027") == "OK");
  const Rule rule = machine.target.wishes[point].at(0).rule;
  REQUIRE(rule.conditions.size() == 2);
  CHECK(rule.conditions[1].code == Bytes{std::byte{0x22}, std::byte{0}, std::byte{0x27}});
  CHECK(rule.log.size() == 1);
  CHECK(client.ask("Z0,1000,1") == "OK");
  CHECK(machine.target.wishes[point].at(0).rule.empty());
  CHECK(machine.target.counts.inserts == 1);
  CHECK(client.ask("Z1,1000,1;X1,27") == "OK");
  for (const char* bad : {";X", ";X1", ";X2,27", ";X0,", ";X1,31", ";X1,2", ";X1,27Y", ";Y", ";",
                          ";cmds:", ";cmds:0", ";cmds:0,X1,31", ";X1001,27"}) {
    CAPTURE(bad);
    const bool refused =
        client.ask(std::string("Z0,1010,1") + bad).starts_with("E") || std::string_view(bad) == ";";
    CHECK(refused);
  }
  CHECK(client.ask("z0,1000,1;X1,27") == "E16");
}

TEST_CASE("log lines are printed for who waits for a stop, and for nobody else") {
  Machine machine;
  GdbClient client(machine), other(machine);
  const Point point{PointKind::software, {0x1000}, 1};
  LogLine line{ClientId{1}, point, VcpuId{0}, "x is 3", 0};
  machine.arbiter.publish(line);
  CHECK(client.heard().empty());
  client.ask("c");
  machine.arbiter.publish(line);
  line.dropped = 7;
  line.text.clear();
  machine.arbiter.publish(line);
  CHECK(client.heard() == "O" + hex_of("x is 3\n") + "|O" +
                              hex_of("(7 lines of software point at 0x1000 left out)\n"));
  CHECK(other.heard().empty());
}

TEST_CASE("a hit that pc does not show is a plain trap: gdb would go on in silence") {
  Machine machine;
  GdbClient client(machine);
  client.ask("qSupported:swbreak+;hwbreak+");
  const Point point{PointKind::hardware, {0x7c2f}, 1};
  client.ask("Z1,7c2f,1");
  machine.target.stop_now(VcpuId{0}, HitPoint{point});
  CHECK_THAT(client.ask("?"), Catch::Matchers::Contains("hwbreak:;"));
  GdbClient other(machine);
  other.ask("qSupported:swbreak+;hwbreak+");
  CHECK_THAT(other.ask("?"), !Catch::Matchers::Contains("hwbreak"));
  machine.target.poke(VcpuId{0}, fakes::toy_pc, 0x3c2f); // code with segment base 0x4000
  CHECK_THAT(client.ask("?"),
             !Catch::Matchers::Contains("hwbreak") && Catch::Matchers::StartsWith("T05"));
}

} // namespace
} // namespace kdbg::gdb
