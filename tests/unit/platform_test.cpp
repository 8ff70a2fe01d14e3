#include "protocols/gdb/codec.hpp"
#include "protocols/gdb/text.hpp"
#include "protocols/platform/attachment.hpp"
#include "protocols/platform/platform.hpp"
#include "protocols/platform/rows.hpp"

#include <catch2/catch.hpp>

#include <fmt/format.h>
#include <map>

namespace kdbg::platform {
namespace {

using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;

MachineInfo machine(std::uint64_t pid, const std::string& name, const std::string& state) {
  MachineInfo made;
  made.record = {.pid = pid,
                 .born = 7,
                 .name = name,
                 .image = "/images/" + name,
                 .triple = "x86_64-unknown-unknown",
                 .listen = {"127.0.0.1:1234"}};
  made.owner = {.parent = 1, .uid = 1000, .gid = 100, .euid = 1000, .egid = 100};
  made.state = state;
  return made;
}

/// Machines without processes: what they are sent is kept, what they say is said by the test.
class FakeMachines final : public Machines {
public:
  struct Line {
    std::string heard;
    Listener listener;
    bool open = true;
  };

  std::unique_ptr<Question> list(Listed listed) override {
    ++asked;
    struct Held final : Question {
      Held(FakeMachines& from, unsigned which) : machines(from), number(which) {}
      ~Held() override {
        if (machines.asked == number) machines.waiting = {};
      }
      FakeMachines& machines;
      unsigned number;
    };
    waiting = std::move(listed);
    return std::make_unique<Held>(*this, asked);
  }
  /// The answer to `list`; a question that was taken back is not answered.
  void answer() {
    if (waiting) std::exchange(waiting, {})(all);
  }
  Result<MachineInfo> find(std::uint64_t pid) override {
    for (const MachineInfo& one : all) {
      if (one.record.pid == pid) return one;
    }
    return Error{Code::no_such_vcpu, fmt::format("no machine of this user has process id {}", pid)};
  }
  Status end(std::uint64_t pid) override {
    TRY(find(pid));
    ended.push_back(pid);
    return Done{};
  }
  Result<std::unique_ptr<Link>> connect(std::uint64_t pid, Listener listener) override {
    struct FakeLink final : Link {
      explicit FakeLink(Line& of) : line(of) {}
      ~FakeLink() override { line.open = false; }
      void send(std::string bytes) override { line.heard += bytes; }
      Line& line;
    };
    TRY(find(pid));
    lines[pid] = {{}, std::move(listener), true};
    return std::unique_ptr<Link>(std::make_unique<FakeLink>(lines[pid]));
  }
  std::optional<std::string> user_name(std::uint64_t uid) override {
    return uid == 1000 ? std::optional<std::string>("me") : std::nullopt;
  }
  std::optional<std::string> group_name(std::uint64_t) override { return {}; }

  std::vector<MachineInfo> all{machine(101, "web.elf", "running"),
                               machine(102, "db.elf", "stopped: at entry")};
  std::vector<std::uint64_t> ended;
  std::map<std::uint64_t, Line> lines;
  Listed waiting;
  unsigned asked = 0;
};

Host nowhere() {
  Host host;
  host.log = [](std::string_view) {};
  return host;
}

struct Client {
  explicit Client(std::string where = "127.0.0.1:1235") {
    Host host;
    host.pid = 55;
    host.triple = "x86_64-unknown-unknown";
    host.where = std::move(where);
    host.log = [this](std::string_view line) { log += fmt::format("{}\n", line); };
    front_end = open(machines, host, [this](const std::string& bytes) { sent += bytes; });
    ask("QStartNoAckMode");
    feed("+");
  }

  void feed(std::string_view bytes) { status = bool(front_end->receive(gdb::bytes_of(bytes))); }
  /// Packets since the last look, joined by '|'.
  std::string heard() {
    std::string text;
    gdb::Decoder decoder;
    ByteView rest = gdb::bytes_of(sent);
    while (const auto token = decoder.next(rest)) {
      if (token->kind != gdb::Token::Kind::packet) continue;
      text += (text.empty() ? "" : "|") + token->payload;
    }
    sent.clear();
    return text;
  }
  std::string ask(std::string_view packet) {
    feed(gdb::frame(packet));
    machines.answer();
    return heard();
  }
  /// A machine says a packet.
  void say(std::uint64_t pid, std::string_view packet) {
    machines.lines[pid].listener.received(gdb::bytes_of(gdb::frame(packet)));
  }
  std::string told(std::uint64_t pid) { return std::exchange(machines.lines[pid].heard, {}); }
  /// Attaches; what the machine is told is forgotten.
  void attach(std::uint64_t pid, unsigned repeats = 0) {
    feed(gdb::frame(fmt::format("vAttach;{:x}", pid)));
    for (unsigned i = 0; i < repeats + 1; ++i) {
      say(pid, "OK");
    }
    REQUIRE(heard().empty());
    say(pid, fmt::format("T05thread:p{:x}.1;", pid));
    REQUIRE(heard() == fmt::format("T05thread:p{:x}.1;", pid));
    told(pid);
  }

  FakeMachines machines;
  std::string sent, log;
  bool status = true;
  std::unique_ptr<FrontEnd> front_end;
};

std::string hex(std::string_view text) {
  return gdb::to_hex(gdb::bytes_of(text));
}

TEST_CASE("lldb lists machines as processes") {
  Client client;
  const std::string first = client.ask("qfProcessInfo");
  CHECK(first == fmt::format("pid:101;ppid:1;uid:1000;gid:100;euid:1000;egid:100;name:{};"
                             "args:{}-{}-{}-{};triple:{};",
                             hex("web.elf"), hex("web.elf"), hex("running"), hex("/images/web.elf"),
                             hex("127.0.0.1:1234"), hex("x86_64-unknown-unknown")));
  CHECK_THAT(client.ask("qsProcessInfo"), StartsWith("pid:102;"));
  CHECK(client.ask("qsProcessInfo") == "E04");
  CHECK(client.ask("qsProcessInfo") == "E04");
  CHECK_THAT(client.ask("qProcessInfoPID:102"), Contains(hex("stopped: at entry")));
  CHECK(client.ask("qProcessInfoPID:103") == "E03");
  CHECK(client.ask("qUserName:1000") == hex("me"));
  CHECK(client.ask("qUserName:1") == "E16");
  CHECK(client.ask("qQueryGDBServer") == "[]");
  CHECK_THAT(client.ask("qHostInfo"), Contains("triple:" + hex("x86_64-unknown-unknown") + ";"));
}

TEST_CASE("filters of a list") {
  const auto count = [](const std::string& filter) {
    const auto wanted = parse_filter(filter);
    REQUIRE(wanted);
    FakeMachines machines;
    return std::count_if(machines.all.begin(), machines.all.end(), *wanted);
  };
  CHECK(count("") == 2);
  CHECK(count("all_users:1;") == 2);
  CHECK(count("name:" + hex("db.elf") + ";") == 1);
  CHECK(count("name:" + hex("db") + ";") == 0);
  CHECK(count("name_match:starts_with;name:" + hex("db") + ";") == 1);
  CHECK(count("name_match:ends_with;name:" + hex(".elf")) == 2);
  CHECK(count("name:" + hex("e") + ";name_match:contains;") == 2);
  CHECK(count("name_match:regex;name:" + hex("^(web|no)\\.") + ";") == 1);
  CHECK(count("pid:101;") == 1);
  CHECK(count("parent_pid:1;uid:1000;gid:100;euid:1000;egid:100;") == 2);
  CHECK(count("parent_pid:2;") == 0);
  CHECK(count("uid:0;all_users:1;") == 0);
  CHECK(count("triple:" + hex("x86_64-pc-linux-gnu") + ";") == 2);
  CHECK(count("triple:" + hex("aarch64") + ";") == 0);
  CHECK(count(";;:;;unknown:1") == 2);
}

TEST_CASE("filters that make no sense, and hostile ones") {
  for (const std::string bad :
       {"pid:", "pid:-1", "pid:0x10", "pid:99999999999999999999", "uid:me", "name:0", "name:zz",
        "name_match:like;name:61", "name_match:regex;name:28", "triple:1"}) {
    INFO(bad);
    const auto filter = parse_filter(bad);
    REQUIRE_FALSE(filter);
    CHECK(filter.error().code == Code::bad_request);
  }
  CHECK_FALSE(parse_filter("name:" + std::string(100'000, '6')));
  // one whose search would need megabytes of stack
  CHECK_FALSE(parse_filter("name_match:regex;name:" + hex("(x?){150}{100}")));
  // a pattern that makes a backtracking search take for ever
  const auto slow = parse_filter("name_match:regex;name:" + hex("(a*)*(a*)*(a*)*b") + ";");
  REQUIRE(slow);
  CHECK_FALSE((*slow)(machine(1, std::string(64, 'a'), "")));
}

TEST_CASE("nothing of the host is served, and each refusal is understood") {
  Client client;
  CHECK_THAT(client.ask("qPlatform_shell:6c73,a"), StartsWith("F,0000007e,00000000,"));
  CHECK(client.ask("qPlatform_mkdir:000001ff,2f") == "F1");
  CHECK(client.ask("vFile:open:2f,0,0") == "F-1,1");
  CHECK(client.ask("vFile:size:2f") == "F-1,1");
  CHECK(client.ask("vRun;2f62696e") == "E5f");
  CHECK(client.ask("QEnvironment:A=1").empty());
  for (const std::string packet : {"g", "m0,1", "vCont;c", "Z0,0,1", "c", "qProcessInfo"}) {
    CHECK(client.ask(packet) == "E13");
  }
}

TEST_CASE("a machine is asked to end, and no other process") {
  Client client;
  CHECK(client.ask("qKillSpawnedProcess:101") == "OK");
  for (const std::string bad : {"1", "55", "", "-1", "101x", "0x65"}) {
    CHECK_THAT(client.ask("qKillSpawnedProcess:" + bad), StartsWith("E"));
  }
  CHECK(client.machines.ended == std::vector<std::uint64_t>{101});
}

TEST_CASE("a debugger's server is where the client is already") {
  CHECK(Client().ask("qLaunchGDBServer;host:here;") == "pid:55;port:1235;");
  CHECK(Client("[::1]:77").ask("qLaunchGDBServer;host:;") == "pid:55;port:77;");
  CHECK(Client("unix:/a/b").ask("qLaunchGDBServer") == "pid:55;socket_name:" + hex("/a/b") + ";");
}

TEST_CASE("before a machine is attached gdb is told of no program, and lldb of an error") {
  Client gdb, lldb;
  CHECK_THAT(gdb.ask("qSupported:multiprocess+;vContSupported+;xmlRegisters=i386"),
             Contains("PacketSize=") && Contains("multiprocess+"));
  CHECK(gdb.ask("!") == "OK");
  CHECK(gdb.ask("?") == "W00");
  lldb.ask("qSupported:xmlRegisters=i386,arm;multiprocess+");
  CHECK(lldb.ask("QEnableErrorStrings") == "OK");
  CHECK_THAT(lldb.ask("?"), StartsWith("E13;"));
  CHECK_THAT(lldb.ask("qfThreadInfo"), StartsWith("E13;"));
  CHECK_THAT(lldb.ask("vAttach;3"), StartsWith("E03;"));
}

TEST_CASE("what a client agreed on is repeated to each machine, once, and its answers swallowed") {
  Client client;
  client.ask("qSupported:multiprocess+");
  client.ask("!");
  client.ask("QPassSignals:1");
  client.ask("QPassSignals:2");
  client.feed(gdb::frame("vAttach;65"));
  CHECK(client.told(101) == gdb::frame("QStartNoAckMode") + "+" +
                                gdb::frame("qSupported:multiprocess+") + gdb::frame("!") +
                                gdb::frame("QPassSignals:2") + gdb::frame("?"));
  // byte by byte, with the machine's acks between
  for (const char c : "+" + gdb::frame("OK") + gdb::frame("PacketSize=20000") + gdb::frame("OK") +
                          gdb::frame("OK") + gdb::frame("Oabcd")) {
    client.machines.lines[101].listener.received(gdb::bytes_of(std::string_view(&c, 1)));
  }
  CHECK(client.heard().empty());
  client.say(101, "T05thread:p65.1;");
  CHECK(client.heard() == "T05thread:p65.1;");
  CHECK_THAT(client.log, Contains("attached to machine 101 (web.elf)"));
}

TEST_CASE("packets go both ways as they are") {
  Client client;
  client.attach(101);
  const std::string binary("X1000,5:#$}*\x00", 13);
  client.feed(gdb::frame(binary) + "\x03");
  CHECK(client.told(101) == gdb::frame(binary) + "\x03");
  const std::string runs = "$0*(ab}\x03#00"; // shortened runs and escapes are not looked at
  client.machines.lines[101].listener.received(gdb::bytes_of(runs));
  CHECK(client.sent == runs);
  client.sent.clear();
  client.machines.lines[101].listener.received(gdb::bytes_of("%Note:1#00"));
  CHECK(client.sent == "%Note:1#00");
}

TEST_CASE("after a detach another machine may be attached, and not before") {
  Client client;
  client.attach(101);
  CHECK(client.ask("vAttach;66") == "E16");
  CHECK(client.machines.lines[101].open);
  client.feed(gdb::frame("D;65"));
  CHECK(client.told(101) == gdb::frame("D;65"));
  client.say(101, "E03"); // it could not be
  CHECK(client.heard() == "E03");
  client.feed(gdb::frame("D;65"));
  client.say(101, "OK");
  CHECK(client.heard() == "OK");
  CHECK_FALSE(client.machines.lines[101].open);
  CHECK(client.ask("g") == "E13");
  client.attach(102);
  CHECK(client.machines.lines[102].open);
}

TEST_CASE("after a kill the machine is still there to be run, or to be left for another") {
  Client client;
  client.attach(101);
  client.feed(gdb::frame("vKill;65"));
  client.say(101, "OK");
  client.feed(gdb::frame("vRun;"));
  CHECK_THAT(client.told(101), Contains("vRun;"));
  client.say(101, "T05thread:p65.1;");
  CHECK(client.heard() == "OK|T05thread:p65.1;");
  CHECK(client.ask("vAttach;66") == "E16");
  client.feed(gdb::frame("c"));
  client.say(101, "W00;process:65");
  client.heard();
  client.attach(102);
  CHECK_FALSE(client.machines.lines[101].open);
}

TEST_CASE("a machine that goes without a word") {
  Client client;
  client.ask("qSupported:multiprocess+");
  const auto lose = [&] { client.machines.lines[101].listener.lost("it hung up"); };
  SECTION("while it is attached to") {
    client.feed(gdb::frame("vAttach;65") + gdb::frame("qHostInfo"));
    lose();
    CHECK_THAT(client.heard(), StartsWith("E13|triple:"));
  }
  SECTION("while a stop is owed") {
    client.attach(101, 1);
    client.feed(gdb::frame("vCont;c"));
    lose();
    CHECK(client.heard() == "X09;process:65");
  }
  SECTION("while an answer is owed") {
    client.attach(101, 1);
    client.feed(gdb::frame("g"));
    lose();
    CHECK(client.heard() == "E13");
    CHECK(client.ask("vCont;s") == "X09;process:65");
    CHECK(client.ask("vCont;s") == "E13");
  }
  SECTION("while nothing is") {
    client.attach(101, 1);
    lose();
    CHECK(client.heard().empty());
    CHECK(client.ask("m0,1") == "E13");
    CHECK(client.ask("vCont;c") == "X09;process:65"); // the first chance to say so
  }
  CHECK(client.ask("g") == "E13");
}

TEST_CASE("a machine that refuses is not attached") {
  Client client;
  client.feed(gdb::frame("vAttach;65"));
  client.say(101, "OK");
  client.say(101, "E10");
  CHECK(client.heard() == "E10");
  CHECK_FALSE(client.machines.lines[101].open);
  CHECK_THAT(client.log, Contains("could not attach to machine 101"));
}

TEST_CASE("packets wait for one whose answer is on its way; a flood of them ends the connection") {
  Client client;
  client.feed(gdb::frame("qfProcessInfo") + gdb::frame("qsProcessInfo") +
              gdb::frame("qUserName:1000"));
  CHECK(client.heard().empty());
  client.machines.answer();
  const std::string all = client.heard();
  CHECK_THAT(all, StartsWith("pid:101;") && Contains("|pid:102;") && Contains("|" + hex("me")));
  CHECK(client.status);
  client.feed(gdb::frame("qfProcessInfo"));
  for (unsigned i = 0; i < 9; ++i) {
    client.feed(gdb::frame("qsProcessInfo"));
  }
  CHECK_FALSE(client.status);
}

TEST_CASE("a client that leaves takes its question back") {
  FakeMachines machines;
  auto front_end = open(machines, nowhere(), [](const std::string&) {});
  REQUIRE(front_end->receive(gdb::bytes_of(gdb::frame("qfProcessInfo"))));
  front_end.reset();
  CHECK_FALSE(machines.waiting);
}

TEST_CASE("tables of info os, in pieces of one document") {
  Client client;
  CHECK_THAT(client.ask("qXfer:osdata:read::0,1000"), Contains(">processes<"));
  CHECK(client.ask("qXfer:osdata:read:vcpus:0,1000") == "E00");
  const std::string whole = client.ask("qXfer:osdata:read:processes:0,4000");
  CHECK_THAT(whole, StartsWith("l") && Contains("<column name=\"pid\">101</column>") &&
                        Contains("<column name=\"state\">running</column>"));
  std::string pieces;
  const unsigned asked = client.machines.asked;
  for (std::size_t at = 0; pieces.size() + 1 < whole.size(); at = pieces.size()) {
    pieces += client.ask(fmt::format("qXfer:osdata:read:processes:{:x},64", at)).substr(1);
  }
  CHECK(pieces == whole.substr(1));
  CHECK(client.machines.asked == asked + 1);
  CHECK(client.ask("qXfer:osdata:read:processes:ffffffff,10") == "E16");
  CHECK(client.ask("qXfer:osdata:read:processes:") == "E16");
  client.attach(101);
  CHECK_THAT(client.ask("qXfer:osdata:read:processes:0,4000"), StartsWith("l"));
  CHECK(client.told(101).empty());
}

TEST_CASE("broken packets are refused as everywhere") {
  FakeMachines machines;
  std::string sent;
  auto front_end = open(machines, nowhere(), [&](const std::string& bytes) { sent += bytes; });
  REQUIRE(front_end->receive(gdb::bytes_of("$qHostInfo#00")));
  CHECK(sent == "-");
  sent.clear();
  const std::string huge = "$" + std::string(gdb::max_payload + 1, 'q') + "#00";
  REQUIRE(front_end->receive(gdb::bytes_of(huge)));
  CHECK(sent == "-");
}

TEST_CASE("frames are cut out of any chunking") {
  const std::string stream = "+++$#00$a#61noise%n}#x1$b*!#zz";
  for (std::size_t size = 1; size <= stream.size(); ++size) {
    FrameCutter cutter;
    std::string found;
    for (std::size_t at = 0; at < stream.size(); at += size) {
      ByteView chunk = gdb::bytes_of(std::string_view(stream).substr(at, size));
      while (const auto frame = cutter.next(chunk)) {
        found += *frame + " ";
      }
      REQUIRE(chunk.empty());
    }
    CHECK(found == "$#00 $a#61 %n}#x1 $b*!#zz ");
  }
}

} // namespace
} // namespace kdbg::platform
