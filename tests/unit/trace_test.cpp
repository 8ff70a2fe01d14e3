#include "adapter/commands.hpp"
#include "adapter/trace.hpp"
#include "tests/fakes/recording_client.hpp"

#include <catch2/catch.hpp>

namespace kdbg {
namespace {

ByteView bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

/// What a trace wrote, read back.
class Written {
public:
  Written() : file_(std::tmpfile()), trace(file_) {}
  std::string text() const {
    std::string all;
    std::rewind(file_);
    for (int c = std::fgetc(file_); c != EOF; c = std::fgetc(file_)) {
      all += static_cast<char>(c);
    }
    return all;
  }

private:
  std::FILE* file_;

public:
  Trace trace;
};

std::string traced(const Event& event) {
  Written written;
  written.trace.event(event);
  return written.text();
}

TEST_CASE("a trace that is off takes everything and writes nothing") {
  Trace trace;
  CHECK_FALSE(trace.on());
  trace.bytes(ClientId{1}, "->", {});
  trace.event(Gone{});
  trace.note("nothing");
}

TEST_CASE("bytes outside ASCII, and the backslash, are written as numbers") {
  Written written;
  written.trace.bytes(ClientId{1}, "->", bytes_of("$m1000,4#8e"));
  written.trace.bytes(ClientId{2}, "<-", bytes_of(std::string_view("a\\\x00\xff~", 5)));
  CHECK(written.text() == "-> $m1000,4#8e\n2<- a\\x5c\\x00\\xff~\n");
}

TEST_CASE("events are written as words that can be read back") {
  const Point point{PointKind::hardware, {0x1000, {Space::Kind::physical}}, 1};
  const Point watch{PointKind::access, {0x2000, {Space::Kind::root, 0x5000}}, 4};
  const Stop stop{
      7,
      {{VcpuId{1}, {Stepped{}, HitPoint{point}}}, {VcpuId{0}, {HitWatch{watch, 0x2001, {}, {}}}}}};
  CHECK(traced(Stopped{stop}) == " ! stopped epoch=7 vcpu=1 step hardware=phys:0x1000 vcpu=0 "
                                 "access=root:0x5000:0x2000+4@0x2001\n");
  CHECK(traced(Stopped{{0, {{VcpuId{0}, {AtEntry{}}}}}}) == " ! stopped epoch=0 vcpu=0 entry\n");
  CHECK(traced(Stopped{{1, {{VcpuId{0}, {Interrupted{ClientId{2}}}}}}}) ==
        " ! stopped epoch=1 vcpu=0 interrupt by=2\n");
  CHECK(traced(Stopped{{1, {{VcpuId{0}, {Crashed{"triple fault"}, Halted{}, PoweredOff{3}}}}}}) ==
        " ! stopped epoch=1 vcpu=0 crash=\"triple fault\" halt poweroff=3\n");
  CHECK(traced(Resumed{3, ClientId{1}}) == " ! resumed epoch=3 by=1\n");
  CHECK(traced(MemoryChanged{{0x10}, 4, {}}) == " ! memory at=0x10 length=4\n");
  CHECK(traced(Gone{2}) == " ! gone status=2\n");
  CHECK(traced(LogLine{ClientId{2}, watch, VcpuId{1}, "it is 5", 3}) ==
        " ! log client=2 vcpu=1 access=root:0x5000:0x2000+4@0x2000 dropped=3 it is 5\n");
}

TEST_CASE("a session notes what it was asked and how that went") {
  Written written;
  fakes::FakeTarget target;
  Arbiter arbiter(target, written.trace);
  fakes::RecordingFrontEnd front_end;
  Session session(target, arbiter, written.trace);
  session.join(front_end);
  CHECK(session.execute(ReadMemory{VcpuId{0}, {0x1000}, 4}));
  CHECK_FALSE(session.execute(ReadMemory{VcpuId{0}, {0}, 4}));
  target.start_running();
  CHECK_FALSE(session.execute(RemoveAllPoints{}));
  session.leave();
  CHECK(written.text() ==
        " . client 1 joined\n"
        " . client 1 read_memory: ok\n"
        " . client 1 read_memory: no memory at 0x0\n"
        " . client 1 remove_all_points: the guest is running; interrupt it first\n"
        " . client 1 left\n");
}

TEST_CASE("reasons and points are described for people") {
  const Point watch{PointKind::write, {0x2000}, 4};
  CHECK(describe(Point{PointKind::hardware, {0x1000}, 1}) == "hardware point at 0x1000");
  CHECK(describe(watch) == "write watch of 4 bytes at 0x2000");
  CHECK(describe(Point{PointKind::read, {1, {Space::Kind::root, 0x3000}}, 1}) ==
        "read watch of 1 byte at 0x1 under root 0x3000");
  CHECK(describe(Address{1, {Space::Kind::physical}}) == "physical 0x1");
  const Bytes before{std::byte{0}}, after{std::byte{0xff}};
  CHECK(describe(StopReason(HitWatch{watch, 0x2001, before, after})) ==
        "write watch of 4 bytes at 0x2000 hit at 0x2001: 00 -> ff");
  CHECK(describe(StopReason(HitWatch{watch, 0x2001, before, {}})) ==
        "write watch of 4 bytes at 0x2000 hit at 0x2001");
  CHECK(describe(StopReason(Interrupted{})) == "interrupted");
  CHECK(describe(StopReason(Interrupted{ClientId{2}})) == "interrupted by client 2");
  CHECK(describe(StopReason(Crashed{"triple fault"})) == "crashed: triple fault");
  CHECK(describe(StopReason(PoweredOff{1})) == "powered off, status 1");
}

} // namespace
} // namespace kdbg
