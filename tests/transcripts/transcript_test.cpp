#include "protocols/gdb/text.hpp"
#include "protocols/lldb/protocol.hpp"
#include "tests/transcripts/player.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace kdbg::transcripts {
namespace {

namespace fs = std::filesystem;

std::string read_file(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

std::vector<fs::path> scripts() {
  std::vector<fs::path> paths;
  for (const auto& entry : fs::directory_iterator(KVMDBG_TRANSCRIPTS)) {
    if (entry.path().extension() == ".gdb" || entry.path().extension() == ".lldb") {
      paths.push_back(entry.path());
    }
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

std::string outcome(std::string_view script, Feeding feeding = Feeding::whole, unsigned seed = 1) {
  try {
    Player(feeding, seed).play(read_script(script));
  } catch (const std::exception& error) {
    return error.what();
  }
  return "ok";
}

TEST_CASE("every transcript plays, however it is cut") {
  const unsigned seed = std::random_device()();
  const auto paths = scripts();
  CHECK(paths.size() >= 10);
  for (const fs::path& path : paths) {
    INFO(path.filename() << ", seed " << seed);
    const std::string script = read_file(path);
    CHECK(outcome(script) == "ok");
    CHECK(outcome(script, Feeding::by_byte) == "ok");
    CHECK(outcome(script, Feeding::random, seed) == "ok");
  }
}

TEST_CASE("the player notices what is missing, wrong or unasked") {
  CHECK(outcome("-> +$qC#..\n<- +$QC1#..\n") == "ok");
  CHECK(outcome("-> $qC#..\n<- +$QC2#..\n").starts_with("line 2: expected"));
  CHECK(outcome("-> $qC#..\n<- +\n") == "client 1 got unasked\n  $QC1#c5");
  CHECK(outcome("-> $qC#..\n-> +\n").starts_with("line 2: client 1 got unasked"));
  CHECK(outcome("-> $qC#..\n<- +\n<- /QC[2-9]/\n").starts_with("line 3: expected"));
  CHECK(outcome(" ! stopped vcpu=0 interrupt by=1\n") == "line 1: nobody asked for this interrupt");
  CHECK(outcome("=> what\n").starts_with("line 1: no such line"));
  CHECK(outcome(" ! stopped vcpu=0 jumped\n") == "line 1: no stop reason \"jumped\"");
}

TEST_CASE("what a trace says of a stop reads back the same") {
  const std::string words =
      "stopped epoch=7 vcpu=1 step hardware=phys:0x1000 write=0x10+8@0x12 vcpu=0 "
      "access=root:0x5000:0x2000+4@0x2001 interrupt by=2 halt crash=\"a b\" poweroff=3 entry";
  std::FILE* file = std::tmpfile();
  Trace trace(file);
  trace.event(read_event(words));
  std::rewind(file);
  std::string text(words.size() + 4, '\0');
  REQUIRE(std::fread(text.data(), 1, text.size(), file) == text.size());
  CHECK(text == " ! " + words + "\n");
}

TEST_CASE("a trace is a transcript") {
  std::FILE* file = std::tmpfile();
  {
    Trace trace(file);
    fakes::FakeTarget target;
    Arbiter arbiter(target, trace);
    target.publish = [&](const Event& event) { arbiter.publish(event); };
    Session session(target, arbiter, trace);
    gdb::RspFrontEnd front_end(
        session, [](const std::string&) {}, lldb::dialect(), gdb::Settings{});
    session.join(front_end);
    auto feed = [&](const std::string& bytes) { CHECK(front_end.receive(gdb::bytes_of(bytes))); };
    feed("+" + gdb::frame("?") + "+" + gdb::frame("QStartNoAckMode") + "+");
    feed(gdb::frame("X1000,3:\x01}\xff") + gdb::frame("m1000,3") + "$m0#..");
    feed(gdb::frame("vCont;s:1;c"));
    target.stop_now(VcpuId{0}, Stepped{});
    feed(gdb::frame("vCont;c") + "\x03");
    target.stop_now(VcpuId{1}, Interrupted{ClientId{1}});
    session.leave();
    std::rewind(file);
    std::string text(65536, '\0');
    text.resize(std::fread(text.data(), 1, text.size(), file));
    INFO(text);
    CHECK(outcome(text) == "ok");
  }
}

} // namespace
} // namespace kdbg::transcripts
