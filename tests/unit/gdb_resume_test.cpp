#include "tests/fakes/recording_client.hpp"

#include <catch2/catch.hpp>

namespace kdbg::gdb {
namespace {

using fakes::GdbClient;
using fakes::Machine;

constexpr Motion hold = Motion::hold, run = Motion::run, step = Motion::step;

std::vector<Motion> motions_after(std::string_view packet) {
  Machine machine(3);
  GdbClient client(machine);
  client.ask("Hg2");
  const std::string answer = client.ask(packet);
  INFO(packet << " -> " << answer);
  CHECK(answer.empty());
  CHECK(machine.target.running());
  return machine.target.last_motions;
}

using Motions = std::vector<Motion>;

TEST_CASE("vCont: the leftmost action that means a vCPU is its own, whom none means is held") {
  CHECK(motions_after("vCont;c") == Motions{run, run, run});
  CHECK(motions_after("vCont;s") == Motions{step, step, step});
  CHECK(motions_after("vCont;c:1") == Motions{run, hold, hold});
  CHECK(motions_after("vCont;c:p1.-1") == Motions{run, run, run});
  CHECK(motions_after("vCont;c:p1") == Motions{run, run, run});
  CHECK(motions_after("vCont;c:-1") == Motions{run, run, run});
  CHECK(motions_after("vCont;s:p1.2;c:p1.-1") == Motions{run, step, run});
  CHECK(motions_after("vCont;s:3;c:1") == Motions{run, hold, step});
  CHECK(motions_after("vCont;c;s:1") == Motions{run, run, run});
  CHECK(motions_after("vCont;t:1;c") == Motions{hold, run, run});
  CHECK(motions_after("vCont;C05:2;S0b:1") == Motions{step, run, hold});
  CHECK(motions_after("vCont;s:0;c") == Motions{run, step, run}); // any: the selected one
  CHECK(motions_after("vCont;s:p1.0") == Motions{hold, step, hold});
}

TEST_CASE("vCont;r steps through a range, each vCPU through its own") {
  Machine machine(3);
  GdbClient client(machine);
  CHECK(client.ask("vCont;r1000,1010:3;s:2;r20,30").empty());
  CHECK(machine.target.last_motions == Motions{step, step, step});
  CHECK(machine.target.last_ranges == std::vector<StepRange>{{0x20, 0x30}, {}, {0x1000, 0x1010}});
  machine.target.stop_now(VcpuId{2}, Stepped{});
  client.heard();
  CHECK(client.ask("vCont;c").empty());
  CHECK(machine.target.last_ranges.empty());
}

TEST_CASE("a range that is not one is an error, and nothing moves") {
  Machine machine(1);
  GdbClient client(machine);
  for (const char* packet : {"vCont;r", "vCont;r1000", "vCont;r1000,", "vCont;r1000,1010,1020",
                             "vCont;rx,y", "vCont;r,1", "vCont;c1000,1010"}) {
    INFO(packet);
    CHECK(client.ask(packet) == "E16");
  }
  CHECK(machine.target.counts.resumes == 0);
}

TEST_CASE("c and s move the selected vCPU, and the others run along") {
  CHECK(motions_after("c") == Motions{run, run, run});
  CHECK(motions_after("s") == Motions{run, step, run});
  CHECK(motions_after("C02") == Motions{run, run, run});
  CHECK(motions_after("S02") == Motions{run, step, run});
}

TEST_CASE("with Hc, c and s move that vCPU alone") {
  Machine machine(3);
  GdbClient client(machine);
  CHECK(client.ask("Hcp1.3") == "OK");
  CHECK(client.ask("s").empty());
  CHECK(machine.target.last_motions == Motions{hold, hold, step});
  machine.target.stop_now(VcpuId{2}, Stepped{});
  client.heard();
  CHECK(client.ask("Hc0") == "OK");
  CHECK(client.ask("s").empty());
  CHECK(machine.target.last_motions == Motions{run, run, step});
}

TEST_CASE("c ADDR goes on at ADDR") {
  Machine machine;
  GdbClient client(machine);
  CHECK(client.ask("cdeadbeef").empty());
  CHECK(machine.target.peek(VcpuId{0}, fakes::toy_pc) == 0xdeadbeef);
  machine.target.stop_now(VcpuId{0}, Stepped{});
  client.heard();
  CHECK(client.ask("C05;10").empty());
  CHECK(machine.target.peek(VcpuId{0}, fakes::toy_pc) == 0x10);
  machine.target.stop_now(VcpuId{0}, Stepped{});
  client.heard();
  for (const char* packet : {"c1,2", "sg", "C", "C05,1", "S;1", "c00000000000000001"}) {
    CHECK(client.ask(packet) == "E16");
  }
  CHECK_FALSE(machine.target.running());
}

TEST_CASE("kill does what was chosen") {
  const KillPolicy policy = GENERATE(KillPolicy::detach, KillPolicy::pause, KillPolicy::poweroff);
  const bool with_answer = GENERATE(false, true);
  Machine machine;
  GdbClient client(machine, Settings{.kill = policy});
  CHECK(client.ask("Z0,1000,1") == "OK");
  CHECK(client.ask(with_answer ? "vKill;1" : "k") == (with_answer ? "OK" : ""));
  CHECK(machine.target.points().empty());
  CHECK(machine.target.running() == (policy == KillPolicy::detach));
  CHECK(machine.target.counts.power_offs == (policy == KillPolicy::poweroff ? 1 : 0));
  CHECK(client.heard().empty());
}

TEST_CASE("a detach that cannot resume says so") {
  Machine machine;
  GdbClient client(machine);
  machine.target.next_error = Error{Code::kernel, "no", 5};
  CHECK(client.ask("D") == "E05");
  CHECK(client.ask("D;1") == "OK");
  CHECK(machine.target.running());
  CHECK(client.ask("D;") == "E16");
  CHECK(client.ask("D;1.1") == "E16");
  CHECK(client.ask("vKill;") == "E16");
}

TEST_CASE("asking a running guest interrupts it once and is answered once") {
  Machine machine;
  machine.target.start_running();
  GdbClient client(machine);
  CHECK(client.ask("?").empty());
  CHECK(machine.target.counts.interrupts == 1);
  machine.target.stop_now(VcpuId{1}, Interrupted{ClientId{1}});
  CHECK(client.heard().starts_with("T02"));
  CHECK(client.ask("?").starts_with("T02"));
  CHECK(machine.target.counts.interrupts == 1);
}

TEST_CASE("who resumes from a stop that is past is told of the present one first") {
  Machine machine;
  GdbClient one(machine), two(machine);
  CHECK(one.ask("?").starts_with("T05"));
  CHECK(two.ask("c").empty());
  machine.target.stop_now(VcpuId{1}, Stepped{});
  two.heard();
  const std::string present = one.ask("vCont;c"); // not refused: it is like having joined
  CHECK(present.find("|T02") != std::string::npos);
  CHECK(present.find("thread:2;") != std::string::npos);
  CHECK(machine.target.counts.resumes == 1);
  CHECK(one.ask("vCont;c").find("|T02") != std::string::npos); // the lease is the other's
}

TEST_CASE(
    "who would move one vCPU from a stop that is past hears of it as of a step, and then of all") {
  Machine machine;
  GdbClient one(machine), two(machine);
  CHECK(one.ask("?").starts_with("T05"));
  CHECK(two.ask("c").empty());
  machine.target.stop_now(VcpuId{1}, Stepped{});
  two.heard();
  CHECK(one.ask("qRcmd,74616b65") != ""); // take
  const std::string stepped = one.ask("vCont;s:1");
  CHECK(stepped.starts_with("O")); // what gdb shows of vCPU 1 is old
  CHECK(stepped.find("|T05") != std::string::npos);
  CHECK(stepped.find("thread:1;") != std::string::npos);
  const bool again = GENERATE(false, true);
  if (again) { // it goes on with that vCPU alone, knowing where that is
    CHECK(one.ask("vCont;s:1").empty());
    machine.target.stop_now(VcpuId{0}, Stepped{});
    CHECK(one.heard().starts_with("T05"));
  } else {
    CHECK(one.ask("vCont;c").find("|T02") != std::string::npos);
  }
  CHECK(machine.target.counts.resumes == (again ? 2 : 1));
  CHECK(one.ask("vCont;c").empty());
}

TEST_CASE("a reset leaves nothing of the stop before it to tell") {
  const bool by_itself = GENERATE(true, false);
  Machine machine;
  GdbClient driver(machine), client(machine);
  CHECK(driver.ask("Z0,1000,1") == "OK");
  CHECK(driver.ask("c").empty());
  const Point point{PointKind::software, Address{0x1000}, 1};
  machine.target.stop_now(
      Stop{0, {{VcpuId{0}, {HitPoint{point}}}, {VcpuId{1}, {HitPoint{point}}}}});
  CHECK(driver.heard().starts_with("T05"));
  CHECK(client.ask("?").starts_with("T05"));
  driver.ask("qRcmd,7265736574"); // reset
  CHECK(machine.target.counts.resets == 1);
  if (!by_itself) {
    client.ask("qRcmd,74616b65"); // take
    // where the guest is, first
    CHECK(client.ask("vCont;c").find("|T02") != std::string::npos);
  }
  CHECK((by_itself ? driver : client).ask("vCont;c").empty());
  CHECK(machine.target.running());
}

TEST_CASE("what a held vCPU has yet to tell outlasts the steps of another") {
  Machine machine;
  GdbClient client(machine);
  CHECK(client.ask("Z0,1000,1") == "OK");
  CHECK(client.ask("c").empty());
  const Point point{PointKind::software, Address{0x1000}, 1};
  machine.target.stop_now(
      Stop{0, {{VcpuId{0}, {HitPoint{point}}}, {VcpuId{1}, {HitPoint{point}}}}});
  CHECK(client.heard().find("thread:1;") != std::string::npos);
  CHECK(client.ask("vCont;s:1").empty());
  machine.target.stop_now(VcpuId{0}, Stepped{});
  CHECK(client.heard().find("thread:1;") != std::string::npos);
  CHECK(client.ask("vCont;c").find("thread:2;") != std::string::npos);
  CHECK_FALSE(machine.target.running());
}

TEST_CASE("a vCPU that is sent elsewhere does not tell of the point it left") {
  const bool elsewhere = GENERATE(true, false);
  Machine machine;
  GdbClient client(machine);
  CHECK(client.ask("Z0,1000,1") == "OK");
  CHECK(client.ask("c").empty());
  const Point point{PointKind::software, Address{0x1000}, 1};
  machine.target.stop_now(
      Stop{0, {{VcpuId{0}, {HitPoint{point}}}, {VcpuId{1}, {HitPoint{point}}}}});
  CHECK(client.heard().find("thread:1;") != std::string::npos);
  CHECK(client.ask("Hg2") == "OK");
  const std::string pc = "P5="; // toy_pc
  CHECK(client.ask(pc + (elsewhere ? "0020000000000000" : "0010000000000000")) == "OK");
  CHECK(client.ask("vCont;c").empty() == elsewhere);
  CHECK(machine.target.running() == elsewhere);
}

TEST_CASE("a restart while another client drives changes nothing") {
  Machine machine;
  GdbClient one(machine), two(machine);
  one.ask("c");
  machine.target.stop_now(VcpuId{0}, Stepped{});
  CHECK(two.ask("R00").empty());
  CHECK(machine.target.counts.resets == 0);
  CHECK(one.heard().starts_with("T05"));
  CHECK(one.ask("R").empty());
  CHECK(machine.target.counts.resets == 1);
}

} // namespace
} // namespace kdbg::gdb
