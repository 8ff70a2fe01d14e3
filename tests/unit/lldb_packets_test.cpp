#include "protocols/gdb/scratch.hpp"
#include "protocols/gdb/text.hpp"
#include "tests/fakes/recording_client.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

namespace kdbg::lldb {
namespace {

using Catch::Matchers::Contains;
using fakes::GdbClient;
using fakes::Machine;

std::string hex(std::string_view text) {
  return gdb::to_hex(gdb::bytes_of(text));
}

/// An lldb up to its first question about threads.
struct Lldb : GdbClient {
  explicit Lldb(Machine& machine, gdb::Settings settings = {})
      : GdbClient(machine, std::move(settings)) {
    ask("qSupported:xmlRegisters=i386,arm,mips,arc;multiprocess+;fork-events+;vfork-events+;"
        "swbreak+;hwbreak+");
    REQUIRE(ask("QThreadSuffixSupported") == "OK");
    REQUIRE(ask("QListThreadsInStopReply") == "OK");
  }
};

TEST_CASE("lldb is promised its own packets, gdb is not") {
  Machine machine;
  GdbClient client(machine);
  CHECK_THAT(client.ask("qSupported:xmlRegisters=i386,arm,mips,arc;multiprocess+"),
             Contains("QThreadSuffixSupported+") && Contains("MultiMemRead+"));
  CHECK_THAT(client.ask("qSupported:multiprocess+;vContSupported+;xmlRegisters=i386"),
             !Contains("MultiMemRead"));
}

TEST_CASE("lldb is told what the machine is") {
  Machine machine;
  Lldb client(machine, {.process = 0x1234, .name = "guest.elf", .version = "7.8"});
  const std::string bare = hex("x86_64-unknown-unknown");
  CHECK(client.ask("qHostInfo") == "triple:" + bare +
                                       ";ptrsize:8;endian:little;vm-page-size:4096;"
                                       "watchpoint_exceptions_received:after;"
                                       "default_packet_timeout:30;");
  CHECK(client.ask("qProcessInfo") == "pid:1234;parent-pid:1;triple:" + bare +
                                          ";ptrsize:8;endian:little;name:" + hex("guest.elf") +
                                          ";");
  CHECK(client.ask("qGDBServerVersion") == "name:kvmdbg;version:7.8;");
  CHECK(client.ask("qGetWorkingDir") == "2f");
  CHECK(client.ask("qStructuredDataPlugins") == "[]");
  CHECK(client.ask("qSymbol::") == "OK");
  CHECK(client.ask("qOffsets") == "Text=0;Data=0;Bss=0");
  CHECK(client.ask("qEcho:ab;c") == "qEcho:ab;c");
  machine.target.can.watch_stops_before = true;
  CHECK_THAT(client.ask("qHostInfo"), Contains("watchpoint_exceptions_received:before;"));
}

TEST_CASE("a Linux guest has a Linux triple") {
  Machine machine;
  Lldb client(machine, {.linux_guest = true});
  CHECK_THAT(client.ask("qHostInfo"), Contains(hex("toy-unknown-linux-gnu")));
}

TEST_CASE("a stop tells lldb of every vCPU, its registers and what it would read next") {
  Machine machine;
  machine.target.ram[0x1000] = Bytes(0x400, std::byte{0xab});
  machine.target.poke(VcpuId{0}, fakes::toy_pc, 0x1010);
  machine.target.poke(VcpuId{1}, fakes::toy_pc, 0x1020);
  Lldb client(machine);
  const std::string stop = client.ask("?");
  CHECK_THAT(stop, Catch::Matchers::StartsWith("T02thread:p1.1;name:vCPU 0;core:0;threads:1,2;"
                                               "thread-pcs:0000000000001010,0000000000001020;"));
  CHECK_THAT(stop, Contains("00:0000000000000000;") && Contains("05:1010000000000000;"));
  CHECK_THAT(stop, Contains("memory:0x1000=abab") && Contains("reason:signal;") &&
                       Contains("description:" + hex("at entry") + ";"));
  const std::size_t at = stop.find("jstopinfo:") + 10;
  const Bytes info = *gdb::from_hex(stop.substr(at, stop.find(';', at) - at));
  const auto json = nlohmann::json::parse(gdb::text_of(info));
  REQUIRE(json.size() == 2);
  CHECK(json[0] == nlohmann::json{{"tid", 1},
                                  {"name", "vCPU 0"},
                                  {"reason", "signal"},
                                  {"signal", 2},
                                  {"description", "at entry"}});
}

TEST_CASE("lldb hears why each vCPU stopped, in its own words") {
  Machine machine;
  Lldb client(machine);
  const Point breakpoint{PointKind::software, {0x2000}};
  const Point watch{PointKind::write, {0x3000}, 8};
  CHECK(client.ask("Z0,2000,1") == "OK");
  CHECK(client.ask("Z2,3000,8") == "OK");
  CHECK(client.ask("vCont;c") == "");
  SECTION("a breakpoint and a step") {
    machine.target.stop_now({0, {{VcpuId{1}, {HitPoint{breakpoint}}}, {VcpuId{0}, {Stepped{}}}}});
    CHECK_THAT(client.heard(), Contains("thread:p1.2;") && Contains("reason:breakpoint;"));
    const auto threads = nlohmann::json::parse(client.ask("jThreadsInfo"));
    CHECK(threads[0]["reason"] == "trace");
    CHECK(threads[1]["reason"] == "breakpoint");
    CHECK(threads[1]["registers"]["5"] == "0020000000000000");
    // all of it was told: the resume is one
    CHECK(client.ask("vCont;c") == "");
    CHECK(machine.target.running());
  }
  SECTION("a watch names its address and the one touched") {
    machine.target.stop_now(VcpuId{0}, HitWatch{watch, 0x3004, {}, {}});
    CHECK_THAT(client.heard(), Contains("reason:watchpoint;description:" + hex("12288 0 12292")));
  }
  SECTION("an interrupt is a signal") {
    machine.target.stop_now(VcpuId{0}, Interrupted{});
    CHECK_THAT(client.heard(), Catch::Matchers::StartsWith("T02") && Contains("reason:signal;"));
  }
  SECTION("a hit of somebody else's point is told in words") {
    machine.target.stop_now(VcpuId{0}, HitPoint{{PointKind::hardware, {0x4000}}});
    CHECK_THAT(client.heard(),
               Contains("reason:signal;") && Contains(hex("hardware point at 0x4000")));
  }
  SECTION("a hit that is not at pc is told in words") {
    machine.target.stop_now(VcpuId{0}, HitPoint{breakpoint});
    client.heard();
    machine.target.poke(VcpuId{0}, fakes::toy_pc, 0x99);
    CHECK_THAT(client.ask("?"),
               Contains("reason:signal;") && Contains(hex("software point at 0x2000")));
  }
  SECTION("the guest's end") {
    machine.target.stop_now(VcpuId{0}, Crashed{"triple fault"});
    CHECK_THAT(client.heard(), Catch::Matchers::StartsWith("T0b") && Contains(hex("triple fault")));
  }
}

TEST_CASE("one vCPU's stop can be asked for") {
  Machine machine;
  Lldb client(machine);
  CHECK_THAT(client.ask("qThreadStopInfo2"), Catch::Matchers::StartsWith("T00thread:p1.2;"));
  CHECK_THAT(client.ask("qThreadStopInfo1"), Contains("reason:signal;"));
  for (const char* bad : {"qThreadStopInfo", "qThreadStopInfo3", "qThreadStopInfo0",
                          "qThreadStopInfo-1", "qThreadStopInfox"}) {
    CHECK_THAT(client.ask(bad), Catch::Matchers::StartsWith("E"));
  }
}

TEST_CASE("a refused resume is a stop whose reason is the refusal") {
  Machine machine;
  Lldb driver(machine), other(machine);
  CHECK(driver.ask("vCont;s:p1.1") == "");
  machine.target.stop_now(VcpuId{0}, Stepped{});
  CHECK_THAT(driver.heard(), Contains("reason:trace;"));
  const std::string answer = other.ask("vCont;c:p1.-1");
  CHECK_THAT(answer, Catch::Matchers::StartsWith("T02") &&
                         Contains(hex("run control is held by client 1")));
  CHECK_FALSE(machine.target.running());
  CHECK(driver.ask("vCont;c:p1.-1") == "");
  CHECK(other.ask("vCont;c:p1.-1") == ""); // joins
  machine.target.stop_now(VcpuId{0}, Stepped{});
  CHECK_THAT(other.heard(), Contains("reason:trace;"));
}

TEST_CASE("registers of a named thread leave the selected one alone") {
  Machine machine;
  machine.target.poke(VcpuId{1}, fakes::toy_sp, 0x7700);
  Lldb client(machine);
  CHECK(client.ask("p3;thread:0002;") == "0077000000000000");
  CHECK(client.ask("p3") == "0000000000000000");
  CHECK(client.ask("P3=1100000000000000;thread:p1.2;") == "OK");
  CHECK(machine.target.peek(VcpuId{1}, fakes::toy_sp) == 0x11);
  CHECK(machine.target.peek(VcpuId{0}, fakes::toy_sp) == 0);
  const std::string all = client.ask("g;thread:2;");
  CHECK(all.size() == 2 * (6 * 8 + 4 + 16 + 8 + 8)); // with what gdb's g leaves out
  CHECK_THAT(all, Catch::Matchers::EndsWith("xxxxxxxxxxxxxxxx"));
  CHECK(client.ask("G" + all + ";thread:1;") == "OK");
  CHECK(machine.target.peek(VcpuId{0}, fakes::toy_sp) == 0x11);
  for (const char* bad : {"p3;thread:3;", "p3;thread:;", "p3;thread:zz;", "p;thread:1;",
                          "P3;thread:1;", "p99;thread:1;", "g;thread:-7;", "G00;thread:1;"}) {
    CHECK_THAT(client.ask(bad), Catch::Matchers::StartsWith("E"));
  }
}

TEST_CASE("registers are saved, and come back once") {
  Machine machine;
  machine.target.poke(VcpuId{1}, fakes::toy_sp, 0x500);
  Lldb client(machine);
  CHECK(client.ask("QSaveRegisterState;thread:0002;") == "1");
  CHECK(client.ask("QSaveRegisterState;thread:0001;") == "2");
  machine.target.poke(VcpuId{1}, fakes::toy_sp, 0x999);
  const unsigned writes = machine.target.counts.register_writes;
  CHECK(client.ask("QRestoreRegisterState:1;thread:0002;") == "OK");
  CHECK(machine.target.peek(VcpuId{1}, fakes::toy_sp) == 0x500);
  CHECK(machine.target.counts.register_writes == writes + 1);
  for (const char* bad :
       {"QRestoreRegisterState:1", "QRestoreRegisterState:", "QRestoreRegisterState:x",
        "QRestoreRegisterState:-1", "QRestoreRegisterState:99999999999999999999999"}) {
    CHECK_THAT(client.ask(bad), Catch::Matchers::StartsWith("E"));
  }
  for (int i = 0; i < 63; ++i) {
    CHECK(client.ask("QSaveRegisterState")[0] != 'E');
  }
  CHECK(client.ask("QSaveRegisterState") == "E16");
}

TEST_CASE("regions tile the address space") {
  Machine machine;
  machine.target.ram.clear();
  machine.target.ram[0x1000] = Bytes(0x1000);
  Lldb client(machine);
  CHECK(client.ask("qMemoryRegionInfo:") == "OK");
  CHECK(client.ask("qMemoryRegionInfo:0") == "start:0;size:1000;");
  CHECK(client.ask("qMemoryRegionInfo:1234") ==
        "start:1000;size:1000;permissions:rx;name:" + hex("RAM user") + ";");
  CHECK(client.ask("qMemoryRegionInfo:ffffffffffffffff") == "start:2000;size:ffffffffffffe000;");
  machine.target.ram.clear();
  CHECK(client.ask("qMemoryRegionInfo:0") == "start:0;size:ffffffffffffffff;");
  for (const char* bad :
       {"qMemoryRegionInfo:x", "qMemoryRegionInfo:1,2", "qMemoryRegionInfo:11111111111111111"}) {
    CHECK(client.ask(bad) == "E16");
  }
}

TEST_CASE("several ranges are read at once, each as far as it goes") {
  Machine machine;
  machine.target.ram.clear();
  machine.target.ram[0x1000] = Bytes(0x10, std::byte{'a'});
  machine.target.ram[0x2000] = Bytes(0x10, std::byte{'b'});
  Lldb client(machine);
  CHECK(client.ask("MultiMemRead:ranges:1000,2,200e,10,5000,4;") == "2,2,0;aabb");
  CHECK(client.ask("MultiMemRead:ranges:1000,ffffffffffffffff") == "10;aaaaaaaaaaaaaaaa");
  std::string many = "MultiMemRead:ranges:";
  for (int i = 0; i < 1024; ++i) {
    many += "1000,1,";
  }
  CHECK(client.ask(many + "1000,1;") == "E16");
  many.back() = ';';
  CHECK_THAT(client.ask(many), Catch::Matchers::EndsWith("aaaa"));
  for (const char* bad :
       {"MultiMemRead:ranges:", "MultiMemRead:ranges:1000", "MultiMemRead:ranges:,1",
        "MultiMemRead:ranges:1000,2,", "MultiMemRead:ranges:1000,2x"}) {
    CHECK(client.ask(bad) == "E16");
  }
}

TEST_CASE("memory for expressions comes from the scratch region alone") {
  Machine machine;
  Lldb none(machine);
  CHECK(none.ask("_M1000,rwx") == "");
  CHECK(none.ask("_m1000") == "");
  Lldb client(machine, {.scratch = std::make_shared<gdb::Scratch>(0x8000, 0x40)});
  CHECK(client.ask("_M10,rwx") == "8000");
  CHECK(client.ask("_M11,rw") == "8010");
  CHECK(client.ask("_M11,rw") == "E1c");
  CHECK(client.ask("_m8000") == "OK");
  CHECK(client.ask("_m8000") == "E16");
  CHECK(client.ask("_M8,r") == "8000");
  CHECK(client.ask("_M0,r") == "E1c");
  CHECK(client.ask("_Mffffffffffffffff,r") == "E1c");
  CHECK(client.ask("_Mx") == "E16");
}

TEST_CASE(
    "what a client took of the scratch region is free once it has gone, and its own till then") {
  Machine machine;
  const gdb::Settings settings{.scratch = std::make_shared<gdb::Scratch>(0x8000, 0x20)};
  Lldb stays(machine, settings);
  CHECK(stays.ask("_M10,rwx") == "8000");
  {
    Lldb vanishes(machine, settings);
    CHECK(vanishes.ask("_M10,rwx") == "8010");
    CHECK(vanishes.ask("_m8000") == "E16");
    CHECK(stays.ask("_M10,rwx") == "E1c");
  }
  CHECK(stays.ask("_M10,rwx") == "8010");
}

TEST_CASE("lldb attaches by number and by name to the machine that there is") {
  Machine machine;
  Lldb client(machine, {.process = 0x77, .name = "demo.elf"});
  for (const auto& good : {std::string("vAttach;77"), "vAttachName;" + hex("demo.elf"),
                           "vAttachWait;" + hex("demo.elf"), "vAttachOrWait;" + hex("demo.elf")}) {
    CHECK_THAT(client.ask(good), Catch::Matchers::StartsWith("T02thread:p77.1;"));
  }
  CHECK(client.ask("qVAttachOrWaitSupported") == "OK");
  for (const auto& bad :
       {std::string("vAttach;78"), std::string("vAttach;"), "vAttachName;" + hex("other"),
        std::string("vAttachName;abc"), std::string("vAttachName;")}) {
    CHECK_THAT(client.ask(bad), Catch::Matchers::StartsWith("E"));
  }
}

TEST_CASE("a detach can leave the guest stopped") {
  Machine machine;
  Lldb client(machine, {.process = 0x77});
  CHECK(client.ask("qSupportsDetachAndStayStopped:") == "OK");
  CHECK(client.ask("Z0,1000,1") == "OK");
  CHECK(client.ask("D1;78") == "E03");
  CHECK(client.ask("D1;0000000000000077") == "OK");
  CHECK_FALSE(machine.target.running());
  CHECK(machine.target.points().empty());
}

TEST_CASE("errors come with their text once lldb asked for it") {
  Machine machine;
  Lldb client(machine);
  CHECK(client.ask("vAttach;78") == "E03");
  CHECK(client.ask("QEnableErrorStrings") == "OK");
  CHECK(client.ask("vAttach;78") == "E03;" + hex("no process 78: there is only 1"));
}

TEST_CASE("other clients see lldb as lldb") {
  Machine machine;
  Lldb client(machine);
  CHECK(machine.arbiter.clients().front().name == "lldb");
}

TEST_CASE("what needs a stopped guest says so while it runs") {
  Machine machine;
  Lldb client(machine);
  CHECK(client.ask("vCont;c") == "");
  CHECK(client.ask("jThreadsInfo") == "E10");
  CHECK(client.ask("qThreadStopInfo1") == "E10");
  CHECK(client.ask("QSaveRegisterState") == "E10");
  CHECK(client.ask("p0;thread:1;") == "E10");
  CHECK(client.ask("MultiMemRead:ranges:1000,2;") == "E10");
}

} // namespace
} // namespace kdbg::lldb
