#include "protocols/gdb/jkvm/help.hpp"
#include "tests/fakes/recording_client.hpp"

#include <catch2/catch.hpp>

#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>

namespace kdbg::gdb {
namespace {

using Catch::Matchers::Contains;
using fakes::GdbClient;
using fakes::Machine;
using jkvm::Json;

/// The answer as JSON; discarded when it is none.
Json asked(GdbClient& client, const std::string& request) {
  return Json::parse(client.ask("jKvm." + request), nullptr, false);
}

TEST_CASE("jKvm: the wire carries escaped JSON both ways") {
  Machine machine;
  GdbClient client(machine);
  client.feed(frame("jKvm.walk:{\"address\":\"0x1000\"}"));
  const std::string raw = client.raw();
  CHECK_THAT(raw, Contains("\"0x101000\""));
  CHECK(raw.find('}') != std::string::npos);
  CHECK(raw.find("}]#") == raw.size() - 5); // the last brace, escaped
  CHECK(client.ask("jKvm.physRead:{\"address\":4096,\"length\":4}") ==
        "{\"address\":\"0x1000\",\"data\":\"00010203\"}");
}

TEST_CASE("jKvm: capabilities") {
  Machine machine;
  machine.target.can.notes = {"a note"};
  GdbClient client(machine);
  const Json can = asked(client, "capabilities");
  CHECK(can["arch"] == "toy");
  CHECK(can["vcpus"] == 2);
  CHECK(can["hardwareSlots"] == 4);
  CHECK(can["singleStep"] == true);
  CHECK(can["steppedWatch"] == false);
  CHECK(can["notes"] == Json{"a note"});
  CHECK(asked(client, "capabilities:{}") == can);
}

TEST_CASE("jKvm: points name their owners") {
  Machine machine;
  GdbClient one(machine), two(machine);
  one.ask("Z1,1000,1");
  two.ask("Z1,1000,1");
  two.ask("Z2,3000,4");
  const Json points = asked(one, "points")["points"];
  REQUIRE(points.size() == 2);
  CHECK(points[0] == Json::parse(R"({"point":"hardware point at 0x1000","kind":"hardware",
    "address":"0x1000","space":"current","length":1,"strategy":"toy site","hits":0,
    "owners":[1,2],"wishes":[{"client":1,"rule":"","held":0,"done":0},
                             {"client":2,"rule":"","held":0,"done":0}]})"));
  CHECK(points[1]["kind"] == "write");
  CHECK(points[1]["length"] == 4);
  CHECK(points[1]["owners"] == Json{2});
}

TEST_CASE("jKvm: points with rules go in and out") {
  Machine machine;
  GdbClient client(machine);
  const Json in = asked(client, R"(insert:{"kind":"write","address":"0x3000","length":8,
    "condition":"u32[cell] == 3 && r0 > 1","hits":">=2","symbols":["cell=0x3004"]})");
  CHECK(in["point"] == "write watch of 8 bytes at 0x3000");
  CHECK(in["owners"] == Json{1});
  CHECK(in["wishes"][0]["rule"] == "if u32[cell] == 3 && r0 > 1, hits >=2");
  const Point watch{PointKind::write, {0x3000}, 8};
  CHECK(machine.target.wishes[watch].at(0).rule.hits.count == 2);
  // again: another rule for the same point
  asked(client, R"(insert:{"kind":"write","address":"0x3000","length":8,"log":"r0 is {r0:d}"})");
  const Rule rule = machine.target.wishes[watch].at(0).rule;
  CHECK(rule.conditions.empty());
  CHECK(rule.log.size() == 1);
  CHECK(machine.target.counts.inserts == 1);
  CHECK(asked(client, R"(remove:{"kind":"write","address":12288,"length":8})")["point"] ==
        "write watch of 8 bytes at 0x3000");
  CHECK(machine.target.points().empty());

  const Json rooted =
      asked(client, R"(insert:{"kind":"software","address":"0x10","root":"0x5000"})");
  CHECK(rooted["space"] == "root");
  CHECK(rooted["root"] == "0x5000");
  CHECK(
      asked(client, R"(insert:{"kind":"software","address":"0x10","space":"physical"})")["space"] ==
      "physical");
}

TEST_CASE("jKvm: what is wrong with a point or its rule is named") {
  Machine machine;
  GdbClient client(machine);
  const auto [arguments, expected] = GENERATE(table<std::string, std::string>({
      {R"("kind":"port","address":1)",
       R"(no kind "port": software, hardware, write, read or access)"},
      {R"("kind":"software","address":1,"space":"root")",
       R"(space "root": a root goes with space root, and only with it)"},
      {R"("kind":"software","address":1,"space":"io")",
       R"(no space "io": current, root or physical)"},
      {R"("kind":"write","address":1,"length":0)",
       "write watch of 0 bytes at 0x1: a length of at least 1, within the address space"},
      {R"("kind":"software","address":1,"condition":"r0 ==")",
       R"("condition": column 6: it ends too early)"},
      {R"("kind":"software","address":1,"log":"{rax}")",
       R"("log": column 2: there is no register or symbol rax)"},
      {R"("kind":"software","address":1,"hits":"<3")",
       R"(hits "<3": 5, ==5, >5, >=5 and %5 are understood)"},
      {R"("kind":"software","address":1,"symbols":["x"])",
       R"("x" is no symbol: "name=0x1000" is meant)"},
  }));
  CHECK(client.ask("jKvm.insert:{" + arguments + "}") == "E." + expected);
  CHECK(machine.target.points().empty());
}

TEST_CASE("jKvm: log lines are told to who has subscribed, instead of being printed") {
  Machine machine;
  GdbClient client(machine);
  asked(client, R"(subscribe:{"events":["log"]})");
  client.ask("c");
  machine.arbiter.publish(
      LogLine{ClientId{1}, {PointKind::software, {0x1000}, 1}, VcpuId{1}, "got 5", 2});
  const std::string heard = client.raw();
  CHECK_THAT(heard, Contains(R"(%Kvm:{"event":"log","point":"software point at 0x1000",)"));
  CHECK_THAT(heard, Contains(R"("vcpu":1,"text":"got 5","dropped":2)"));
  CHECK(heard.find("$O") == std::string::npos);
}

TEST_CASE("jKvm: clients, and taking control") {
  Machine machine;
  GdbClient one(machine), two(machine);
  one.ask("Z1,1000,1");
  CHECK(asked(one, "takeControl") == Json::parse(R"({"before":null,"now":1})"));
  CHECK(asked(two, "takeControl") == Json::parse(R"({"before":1,"now":2})"));
  CHECK(one.ask("s").find("|T02") != std::string::npos);
  CHECK(asked(one, "clients") == Json::parse(R"({"clients":[
    {"id":1,"name":"","points":1,"drives":false,"self":true,"role":"control"},
    {"id":2,"name":"","points":0,"drives":true,"self":false,"role":"control"}]})"));
}

TEST_CASE("jKvm: vCPUs stopped and running") {
  Machine machine;
  machine.target.poke(VcpuId{0}, fakes::toy_pc, 0xfff0);
  GdbClient client(machine);
  const Json stopped = asked(client, "vcpus");
  CHECK(stopped["running"] == false);
  CHECK(stopped["vcpus"][0] ==
        Json::parse(R"({"vcpu":0,"thread":"1","state":"stopped","mode":"toy mode <0>",
                        "pc":"0xfff0","why":"at entry"})"));
  CHECK(stopped["vcpus"][1]["why"] == "held");
  machine.target.start_running();
  CHECK(asked(client, "vcpus")["vcpus"][1] ==
        Json::parse(R"({"vcpu":1,"thread":"2","state":"running"})"));
}

TEST_CASE("jKvm: a walk with its levels, of a vCPU that exists") {
  Machine machine;
  GdbClient client(machine);
  const Json walk = asked(client, R"(walk:{"vcpu":1,"address":"0x1234"})");
  CHECK(walk["physical"] == "0x101234");
  CHECK(walk["pageSize"] == 4096);
  CHECK(walk["writable"] == false);
  CHECK(walk["levels"] == Json{"toy table: 0x1234"});
  CHECK(client.ask(R"(jKvm.walk:{"address":8192})") == "E.0x2000 is not mapped");
  CHECK(client.ask(R"(jKvm.walk:{"vcpu":2,"address":1})") == "E.no vCPU 2: the machine has 2");
  CHECK(client.ask("jKvm.walk") == "E.jKvm.walk needs \"address\"");
}

TEST_CASE("jKvm: what this CPU family has not is said") {
  Machine machine;
  GdbClient client(machine);
  CHECK(client.ask(R"(jKvm.descriptorTables:{"table":"idt"})") ==
        "E.this CPU family has no descriptor tables");
  CHECK(client.ask(R"(jKvm.descriptorTables:{"table":"xdt"})") ==
        "E.no table \"xdt\": idt, gdt, ldt or tss");
  CHECK(client.ask(R"(jKvm.descriptorTables:{"table":"idt","count":257})") ==
        "E.\"count\" is 257: 1 to 256");
  CHECK(client.ask(R"(jKvm.msr:{"number":16})") == "E.this CPU family has no MSRs by number");
  CHECK(client.ask(R"(jKvm.msr:{"number":"0x100000000"})") ==
        "E.\"number\" is 4294967296: 0 to 4294967295");
  machine.target.start_running(); // writing asks the arbiter first
  CHECK(client.ask(R"(jKvm.msr:{"number":1,"value":1})") ==
        "E.the guest is running; interrupt it first");
}

TEST_CASE("jKvm: the time line names runs, reasons and who resumed") {
  Machine machine;
  GdbClient one(machine), two(machine);
  CHECK(asked(one, "stops") == Json::parse(R"({"stops":[]})"));
  one.ask("s");
  machine.target.stop_now(VcpuId{1}, Stepped{});
  two.ask("jKvm.takeControl");
  two.ask("c");
  machine.target.stop_now({0, {{VcpuId{0}, {Interrupted{ClientId{2}}}}, {VcpuId{1}, {Stepped{}}}}});
  one.heard();
  const Json stops = asked(one, "stops")["stops"];
  REQUIRE(stops.size() == 2);
  CHECK(stops[0]["epoch"] == 1);
  CHECK(stops[0]["resumedBy"] == 1);
  CHECK(stops[0]["vcpus"] == Json::parse(R"([{"vcpu":1,"kind":"step","reasons":["stepped"]}])"));
  CHECK(stops[1]["resumedBy"] == 2);
  CHECK(stops[1]["vcpus"][0]["reasons"][0] == "interrupted by client 2");
  CHECK(stops[1]["time"].get<double>() >= stops[0]["time"].get<double>());
  CHECK(stops[0]["time"].get<double>() > 1.6e9);
  CHECK(asked(one, "stops:{\"count\":1}")["stops"][0]["epoch"] == 2);
}

TEST_CASE("jKvm: the time line is bounded, and keeps no long values") {
  Machine machine;
  const HitWatch small{{PointKind::write, {0x3000}, 4}, 0x3000, Bytes(4), Bytes(4)};
  const HitWatch large{{PointKind::write, {0x3000}, 4096}, 0x3000, Bytes(4096), Bytes(4096)};
  machine.target.stop_now(VcpuId{0}, large);
  machine.target.stop_now(VcpuId{0}, small);
  auto stops = machine.arbiter.stops(1000);
  REQUIRE(stops.size() == 2);
  CHECK(std::get<HitWatch>(stops[0].stop.vcpus[0].reasons[0]).before.empty());
  CHECK(std::get<HitWatch>(stops[1].stop.vcpus[0].reasons[0]).before.size() == 4);
  for (int i = 0; i < 300; ++i) {
    machine.target.stop_now(VcpuId{0}, Stepped{});
  }
  stops = machine.arbiter.stops(1000);
  CHECK(stops.size() == 256);
  CHECK(stops.back().stop.epoch == 302);
}

TEST_CASE("jKvm: the console types what it is given, also into a running guest") {
  Machine machine;
  machine.target.start_running();
  GdbClient client(machine);
  CHECK(asked(client, "console") == Json::parse(R"({"text":"toy console\n"})"));
  CHECK(asked(client, R"(console:{"type":"ls\n"})")["text"] == "toy console\nls\n");
  CHECK(machine.target.typed == "ls\n");
}

TEST_CASE("jKvm: physical memory up to a hole, and its limits") {
  Machine machine;
  machine.target.start_running();
  GdbClient client(machine);
  CHECK(asked(client, R"(physRead:{"address":"0x1ffe","length":16})")["data"] == "feff");
  CHECK(client.ask(R"(jKvm.physRead:{"address":0,"length":1})") == "E.no memory at 0x0");
  CHECK(client.ask(R"(jKvm.physRead:{"address":0,"length":0})") == "E.\"length\" is 0: 1 to 32768");
  CHECK(client.ask(R"(jKvm.physRead:{"address":0,"length":32769})") ==
        "E.\"length\" is 32769: 1 to 32768");
}

TEST_CASE("jKvm: exceptions are set, listed and cleared") {
  Machine machine;
  GdbClient one(machine), two(machine);
  const Json set = asked(one, R"(exceptions:{"set":["#PF",13],"error":2})")["exceptions"];
  REQUIRE(set.size() == 2);
  CHECK(set[0] ==
        Json::parse(R"({"vector":14,"count":1,"name":"#PF","error":"0x2","hits":0,"owners":[1]})"));
  CHECK(set[1]["name"] == "#GP");
  two.ask("Z1,1000,1"); // no exception
  CHECK(asked(two, "exceptions")["exceptions"].size() == 2);
  CHECK(two.ask(R"(jKvm.exceptions:{"clear":[13],"error":2})") ==
        "E.client 2 has no exception catchpoint at 0xd, value 0x2");
  CHECK(asked(one, R"(exceptions:{"clear":["gp"],"error":2})")["exceptions"].size() == 1);
  CHECK(one.ask(R"(jKvm.exceptions:{"set":[3,"#XX"]})") ==
        "E.\"#XX\" is no exception: a vector from 0 to 255, or a name as \"#PF\"");
  CHECK(one.ask(R"(jKvm.exceptions:{"set":[256]})") ==
        "E.256 is no exception: a vector from 0 to 255, or a name as \"#PF\"");
  CHECK(one.ask(R"(jKvm.exceptions:{"set":[{}]})") ==
        "E.{} is no exception: a vector from 0 to 255, or a name as \"#PF\"");
  CHECK(asked(one, "exceptions")["exceptions"].size() == 1); // nothing of a broken request
}

TEST_CASE("jKvm: no trace is said to be none") {
  Machine machine;
  GdbClient client(machine);
  CHECK(asked(client, "trace") == Json::parse(R"({"on":false})"));
}

TEST_CASE("jKvm: arguments that are off are refused with words, whatever they are") {
  Machine machine;
  GdbClient client(machine);
  const std::string deep(10'000, '[');
  const std::pair<std::string, std::string> cases[] = {
      {"walk:", "E.jKvm.walk needs \"address\""},
      {"walk:{", "E.arguments are not JSON"},
      {"walk:{\"address\":1}}", "E.arguments are not JSON"},
      {"walk:[]", "E.arguments are not a JSON object"},
      {"walk:7", "E.arguments are not a JSON object"},
      {"walk:{\"address\":1,\"x\":2}", "E.jKvm.walk has no argument \"x\""},
      {"walk:{\"address\":-1}", "\"address\" must be a number from 0 to 2^64-1"},
      {"walk:{\"address\":1.5}", "\"address\" must be a number"},
      {"walk:{\"address\":1e30}", "\"address\" must be a number"},
      {"walk:{\"address\":1e999}", "E.arguments are not JSON"},
      {"walk:{\"address\":18446744073709551616}", "\"address\" must be a number"},
      {"walk:{\"address\":\"0x10000000000000000\"}", "\"address\" must be a number"},
      {"walk:{\"address\":\"\"}", "\"address\" must be a number"},
      {"walk:{\"address\":\"0x\"}", "\"address\" must be a number"},
      {"walk:{\"address\":\"ten\"}", "\"address\" must be a number"},
      {"walk:{\"address\":true}", "\"address\" must be a number"},
      {"walk:{\"address\":null}", "\"address\" must be a number"},
      {"console:{\"type\":1}", "\"type\" must be text"},
      {"subscribe:{\"events\":\"stopped\"}", "\"events\" must be a list"},
      {"subscribe:{\"events\":[1]}", "E.no event 1"},
      {"subscribe:{\"events\":[\"moved\"]}", "E.no event \"moved\""},
      {"console:{\"type\":\"\xff\"}", "E.arguments are not JSON"},
      {"console:" + deep, "E.JSON deeper than 4 levels"},
      {"console:{\"type\":\"" + deep + "\"}", "toy console"}, // text is not depth
      {"console:{\"type\":\"" + std::string(0x4000, 'x') + "\"}", "16384 at most"},
      {"exceptions:{\"set\":[[[[1]]]]}", "E.JSON deeper than 4 levels"},
      {"nonsense", "E.no request jKvm.nonsense"},
      {"", "E.no request jKvm."},
  };
  for (const auto& [request, words] : cases) {
    INFO(request.substr(0, 80));
    CHECK_THAT(client.ask("jKvm." + request), Contains(words));
  }
  CHECK(asked(client, R"(walk:{"address":18446744073709551615})").is_discarded()); // an error
  CHECK_THAT(client.ask(R"(jKvm.walk:{"address":"0xffffffffffffffff"})"),
             Contains("0xffffffffffffffff is not mapped"));
}

TEST_CASE("jKvm: an answer that fits no packet is an error") {
  Machine machine;
  machine.target.can.notes.assign(2000, std::string(100, 'n'));
  GdbClient client(machine);
  CHECK_THAT(client.ask("jKvm.capabilities"), Contains("ask for less"));
}

TEST_CASE("jKvm: who has not subscribed hears nothing new") {
  Machine machine;
  GdbClient one(machine), two(machine);
  two.ask("Z1,1000,1");
  two.ask("M1000,1:00");
  two.ask("c");
  machine.target.stop_now(VcpuId{0}, Stepped{});
  machine.arbiter.tell(ConsoleOutput{"hello"});
  { GdbClient three(machine); }
  CHECK(one.sent.empty());
}

TEST_CASE("jKvm: subscribers are told what others do") {
  Machine machine;
  GdbClient one(machine), two(machine);
  CHECK(asked(one, R"(subscribe:{"events":["console","stopped","stopped"]})")["events"] ==
        Json({"stopped", "console"}));
  machine.arbiter.tell(ConsoleOutput{"h\xffi"});
  CHECK(one.heard() == "Kvm:{\"event\":\"console\",\"text\":\"h\xef\xbf\xbdi\"}");
  two.ask("Z1,1000,1");
  CHECK(one.heard().empty());
  asked(one, R"(subscribe:{"events":["stopped","resumed","memory-changed","points-changed",
                                     "control-taken","client-joined","client-left"]})");
  two.ask("Z1,1000,1"); // has it already
  CHECK(one.heard().empty());
  two.ask("Z1,2000,1");
  CHECK(one.heard() == R"(Kvm:{"event":"points-changed","by":2,"byName":"client 2"})");
  two.ask("z1,2000,1");
  CHECK(one.heard() == R"(Kvm:{"event":"points-changed","by":2,"byName":"client 2"})");
  asked(two, "takeControl");
  CHECK(one.heard() == R"(Kvm:{"event":"control-taken","by":2,"byName":"client 2"})");
  two.ask("M1000,1:00");
  CHECK(one.heard() == R"(Kvm:{"event":"memory-changed","address":"0x1000","space":"current",)"
                       R"("length":1,"by":2,"byName":"client 2"})");
  two.ask("c");
  CHECK(one.heard() == R"(Kvm:{"event":"resumed","epoch":1,"by":2,"byName":"client 2"})");
  machine.target.stop_now(VcpuId{1}, Stepped{});
  CHECK(
      one.heard() ==
      R"(Kvm:{"event":"stopped","epoch":1,"vcpus":[{"vcpu":1,"kind":"step","reasons":["stepped"]}],)"
      R"("by":2,"byName":"client 2"})");
  {
    GdbClient three(machine);
    CHECK(one.heard() == R"(Kvm:{"event":"client-joined","client":3,"name":""})");
  }
  CHECK(one.heard() == R"(Kvm:{"event":"client-left","client":3})");
  asked(one, R"(subscribe:{"events":[]})");
  two.ask("c");
  machine.target.stop_now(VcpuId{1}, Stepped{});
  CHECK(one.sent.empty());
  asked(one, R"(subscribe:{"events":["ended"]})");
  machine.arbiter.publish(Gone{7});
  CHECK(one.heard() == R"(Kvm:{"event":"ended","status":7})");
}

TEST_CASE("jKvm: a notification stands behind the answer, and is framed as one") {
  Machine machine;
  GdbClient client(machine);
  asked(client, R"(subscribe:{"events":["stopped"]})");
  client.ask("c");
  // stopped while the client's own packet is being answered, as by a reset
  machine.target.stop_now(VcpuId{0}, Stepped{});
  const std::string raw = client.raw();
  const auto note = raw.find("%Kvm:"), stop = raw.find("$T05");
  REQUIRE(note != std::string::npos);
  REQUIRE(stop != std::string::npos);
  CHECK(stop < note);
  client.feed(frame("vRun;"));
  const std::string restarted = client.raw();
  CHECK(restarted.find("%Kvm:") > restarted.find("$T05"));
}

TEST_CASE("jKvm: help is the schema") {
  Machine machine;
  GdbClient client(machine);
  const Json help = asked(client, "help");
  CHECK(help["requests"].size() == jkvm::requests.size());
  CHECK(help["events"].size() == 10);
  const Json one = asked(client, R"(help:{"name":"walk"})");
  CHECK(one["requests"][0]["arguments"][1] ==
        Json::parse(R"({"name":"address","type":"number","required":true,
                        "meaning":"virtual; x86: linear"})"));
  CHECK_FALSE(one.contains("events"));
  CHECK(client.ask(R"(jKvm.help:{"name":"w"})") == "E.no request jKvm.w; jKvm.help lists them");
}

/// What the schema names that a value has: one level deep.
void named_in(const Json& value, const std::string& path, std::set<std::string>& names) {
  if (value.is_object()) {
    for (const auto& [name, inner] : value.items()) {
      named_in(inner, path.empty() ? name : path + "." + name, names);
    }
  } else if (value.is_array()) {
    for (const Json& inner : value) {
      named_in(inner, path + "[]", names);
    }
  } else {
    names.insert(path);
  }
}

TEST_CASE("jKvm: every result is in the schema") {
  Machine machine;
  machine.target.can.notes = {"a note"};
  GdbClient client(machine);
  client.ask("Z1,1000,1");
  client.ask("s");
  machine.target.stop_now(VcpuId{0}, Stepped{});
  client.heard();
  const std::set<std::string> only_sometimes{"points[].root", "stops[].vcpus[].address"};
  const std::pair<std::string, std::string> cases[] = {
      {"hello", R"(:{"name":"me"})"},
      {"drive", ""},
      {"rest", ""},
      {"follow", ""},
      {"interrupt", ""},
      {"physWrite", R"(:{"address":4096,"data":"00"})"},
      {"capabilities", ""},
      {"takeControl", ""},
      {"clients", ""},
      {"vcpus", ""},
      {"walk", R"(:{"address":4096})"},
      {"stops", ""},
      {"console", ""},
      {"physRead", R"(:{"address":4096,"length":1})"},
      {"exceptions", R"(:{"set":[3],"error":1})"},
      {"points", ""},
      {"trace", ""},
      {"subscribe", R"(:{"events":["stopped"]})"},
  };
  for (const auto& [name, arguments] : cases) {
    INFO(name);
    std::set<std::string> found;
    named_in(asked(client, name + arguments), "", found);
    CHECK_FALSE(found.empty());
    std::set<std::string> known;
    for (const auto& schema : jkvm::requests) {
      if (schema.name != name) continue;
      for (const auto& field : schema.results) {
        known.emplace(field.name);
      }
    }
    for (const std::string& each : found) {
      CHECK(known.contains(each));
    }
    // all of the schema, but for what only some points and stops have
    for (const std::string& each : known) {
      if (!only_sometimes.contains(each)) CHECK(found.contains(each));
    }
  }
}

TEST_CASE("docs/jkvm.md is what the schema says", "[docs]") {
  const std::string path = KVMDBG_SOURCE "/docs/jkvm.md";
  const std::string mark = "<!-- from protocols/gdb/jkvm/schema.hpp -->\n";
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  const std::string before = text.str().substr(0, text.str().find(mark));
  const std::string wanted = before + mark + jkvm::render_reference();
  // NOLINTNEXTLINE(concurrency-mt-unsafe): there is one thread
  if (std::getenv("KVMDBG_WRITE_DOCS") != nullptr) std::ofstream(path) << wanted;
  CHECK(text.str() == wanted);
}

} // namespace
} // namespace kdbg::gdb
