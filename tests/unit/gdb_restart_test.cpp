#include "tests/fakes/recording_client.hpp"

#include <catch2/catch.hpp>

namespace kdbg::gdb {
namespace {

using Catch::Matchers::Contains;
using fakes::GdbClient;
using fakes::Machine;

TEST_CASE("vRun resets the machine and answers with its stop at the entry") {
  Machine machine;
  GdbClient client(machine);
  client.ask("Z1,1000,1");
  CHECK(client.ask("!") == "OK");
  client.ask("c");
  machine.target.stop_now(VcpuId{1}, HitPoint{{PointKind::hardware, {0x1000}, 1}});
  client.heard();
  const std::string stop = client.ask("vRun;");
  CHECK(stop.starts_with("T05"));
  CHECK_THAT(stop, Contains("05:f0ff000000000000;"));
  CHECK_THAT(stop, Contains("thread:1;"));
  CHECK(machine.target.counts.resets == 1);
  CHECK(machine.target.points().size() == 1);
  CHECK(client.ask("qC") == "QC1");
}

TEST_CASE("vRun forgets what other vCPUs had to tell") {
  Machine machine;
  GdbClient client(machine);
  const Point point{PointKind::hardware, {0x1000}, 1};
  client.ask("Z1,1000,1");
  client.ask("c");
  machine.target.stop_now({0, {{VcpuId{0}, {HitPoint{point}}}, {VcpuId{1}, {HitPoint{point}}}}});
  client.heard();
  client.ask("vRun;");
  CHECK(client.ask("vCont;c").empty()); // runs: no stop of the life before is told
  CHECK(machine.target.running());
}

TEST_CASE("what was yet to be told is forgotten however the machine is reset") {
  Machine machine;
  GdbClient client(machine), other(machine);
  const Point point{PointKind::hardware, {0x1000}, 1};
  const auto stop_both = [&] {
    client.ask("Z1,1000,1");
    client.ask("c");
    machine.target.stop_now({0, {{VcpuId{0}, {HitPoint{point}}}, {VcpuId{1}, {HitPoint{point}}}}});
    client.heard();
  };
  stop_both();
  SECTION("by this client's monitor command") {
    client.ask("qRcmd,7265736574"); // reset
  }
  SECTION("by another client") {
    other.ask("qRcmd,74616b65"); // take
    other.ask("vRun;");
    client.ask("qRcmd,74616b65");
    CHECK(client.ask("vCont;c").find("|T02") != std::string::npos); // where the guest is, first
  }
  CHECK(machine.target.counts.resets == 1);
  client.heard();
  CHECK(client.ask("vCont;c").empty());
  CHECK(machine.target.running());
}

TEST_CASE("vRun takes no program and no arguments") {
  Machine machine;
  GdbClient client(machine);
  CHECK(client.ask("vRun;2f62696e2f7368") == "E5f");
  CHECK(client.ask("vRun;;61") == "E5f");
  CHECK(client.ask("vRun;;").starts_with("T05"));
  CHECK(machine.target.counts.resets == 1);
}

TEST_CASE("vRun is refused while the guest runs, and to who does not drive") {
  Machine machine;
  GdbClient client(machine), other(machine);
  client.ask("c");
  CHECK(other.ask("vRun;") == "E01");
  CHECK(client.ask("vRun;") == "E10");
  machine.target.stop_now(VcpuId{0}, Stepped{});
  client.heard();
  CHECK(other.ask("vRun;") == "E01");
  CHECK(client.ask("vRun;").starts_with("T05"));
}

TEST_CASE("a client that stays holds what it killed, for the run that follows") {
  Machine machine;
  GdbClient client(machine);
  client.ask("!");
  client.ask("Z1,1000,1");
  CHECK(client.ask("vKill;1") == "OK");
  CHECK_FALSE(machine.target.running());
  CHECK(machine.target.points().empty());
  CHECK(client.ask("vRun;").starts_with("T05"));
}

TEST_CASE("a guest that asked to power off can be run anew, one that is gone cannot") {
  Machine machine;
  GdbClient client(machine);
  client.ask("qSupported:error-message+");
  client.ask("!");
  client.ask("c");
  machine.target.stop_now(VcpuId{0}, PoweredOff{3});
  client.heard();
  CHECK(client.ask("vKill;1") == "OK");
  CHECK(client.ask("vRun;").starts_with("T05"));
  client.ask("c");
  machine.target.stop_now(VcpuId{0}, PoweredOff{3});
  client.heard();
  CHECK(client.ask("c") == "W03");
  CHECK_THAT(client.ask("vRun;"), Contains("E.the guest has ended for good"));
  CHECK(machine.target.counts.resets == 1);
}

} // namespace
} // namespace kdbg::gdb
