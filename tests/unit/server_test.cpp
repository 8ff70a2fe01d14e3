#include "tests/unit/server_rig.hpp"

#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <unistd.h>

namespace kdbg::server {
namespace {

/// A path that is gone with the test.
struct TemporaryPath {
  TemporaryPath() : path(fmt::format("/tmp/kvmdbg-test-{}.sock", ::getpid())) {}
  ~TemporaryPath() { std::filesystem::remove(path); }
  std::string path;
};

TEST_CASE("a client is served over TCP") {
  Fixture fixture;
  const std::string where = listen(fixture);
  CHECK(where.starts_with("127.0.0.1:"));
  TcpPeer peer(fixture, where);
  peer.send(gdb::frame("QStartNoAckMode") + "+");
  CHECK(peer.read(7) == "+$OK#9a");
  CHECK(peer.ask("m1000,2", "0001") == gdb::frame("0001"));
  CHECK(fixture.counts == std::vector<std::size_t>{1});
  CHECK(fixture.log.starts_with("client 1: gdb from 127.0.0.1:"));
  peer.socket.close();
  CHECK(fixture.until_log("client 1 left: it hung up"));
  CHECK(fixture.counts == std::vector<std::size_t>{1, 0});
}

TEST_CASE("IPv6 loopback is listened on too") {
  Fixture fixture;
  auto where = fixture.server.listen("[::1]:0");
  if (!where) return; // no IPv6 on this host
  TcpPeer peer(fixture, *where);
  peer.send(gdb::frame("qC"));
  CHECK(peer.read(8) == "+$QC1#c5");
}

TEST_CASE("a client that vanishes in mid-packet while the guest runs leaves nothing behind") {
  Fixture fixture;
  TcpPeer peer(fixture, listen(fixture));
  peer.send(gdb::frame("QStartNoAckMode") + "+");
  peer.read(7);
  CHECK(peer.ask("Z0,1000,1", "OK") == "$OK#9a");
  peer.send(gdb::frame("vCont;c") + "$m10");
  REQUIRE(fixture.until([&] { return fixture.machine.target.running(); }));
  SECTION("by hanging up") {
    peer.socket.close();
  }
  SECTION("by a reset") {
    peer.socket.set_option(asio::socket_base::linger(true, 0));
    peer.socket.close();
  }
  REQUIRE(fixture.until_log("client 1 left"));
  CHECK(fixture.machine.target.points().empty());
  CHECK(fixture.machine.target.running());
  fixture.machine.target.stop_now(VcpuId{0}, Stepped{}); // reaches nobody
}

TEST_CASE("a stop goes out by itself") {
  Fixture fixture;
  TcpPeer peer(fixture, listen(fixture));
  peer.send(gdb::frame("QStartNoAckMode") + "+" + gdb::frame("c"));
  peer.read(7);
  REQUIRE(fixture.until([&] { return fixture.machine.target.running(); }));
  fixture.machine.target.stop_now(VcpuId{0}, Stepped{});
  CHECK(peer.read(4) == "$T05");
}

TEST_CASE("a half-closed connection still gets its answers") {
  Fixture fixture;
  TcpPeer peer(fixture, listen(fixture));
  peer.send(gdb::frame("qC"));
  peer.socket.shutdown(tcp::socket::shutdown_send);
  CHECK(peer.read(8) == "+$QC1#c5");
  CHECK(peer.at_end());
}

TEST_CASE("what speaks no protocol of ours is sent away") {
  Fixture fixture;
  TcpPeer peer(fixture, listen(fixture));
  peer.send("\x16\x03\x01");
  CHECK(peer.at_end());
  CHECK(fixture.log.find("no protocol begins with byte 0x16") != std::string::npos);
  CHECK(fixture.machine.arbiter.client_count() == 0);
  CHECK(fixture.counts.empty());
}

TEST_CASE("a client that says nothing is sent away") {
  Fixture fixture({.first_byte = 20ms});
  const std::string where = listen(fixture);
  TcpPeer silent(fixture, where);
  TcpPeer talking(fixture, where);
  talking.send(gdb::frame("qC"));
  CHECK(talking.read(8) == "+$QC1#c5");
  CHECK(silent.at_end());
  CHECK(fixture.log.find("it said nothing") != std::string::npos);
  talking.send("+" + gdb::frame("qC"));
  CHECK(talking.read(8) == "+$QC1#c5");
}

TEST_CASE("one that only looks takes no place for ever") {
  Fixture fixture({.first_byte = 20ms});
  const std::string where = listen(fixture);
  TcpPeer peer(fixture, where);
  peer.send("state\n");
  CHECK(peer.read(7) == "stopped");
  CHECK(peer.at_end());
}

TEST_CASE("a client that does not read is dropped") {
  Fixture fixture({.max_backlog = 1 << 20});
  TcpPeer peer(fixture, listen(fixture));
  fixture.machine.target.ram[0x100000] = Bytes(0x10000);
  peer.send(gdb::frame("QStartNoAckMode") + "+");
  const std::string ask = gdb::frame("m100000,10000");
  peer.socket.non_blocking(true);
  boost::system::error_code error;
  CHECK(fixture.until([&] {
    asio::write(peer.socket, asio::buffer(ask), error);
    return fixture.log.find("client 1 left: it is more than 1048576 bytes behind") !=
           std::string::npos;
  }));
  CHECK(fixture.machine.arbiter.client_count() == 0);
}

TEST_CASE("there is a limit to connections") {
  Fixture fixture({.max_clients = 1});
  const std::string where = listen(fixture);
  TcpPeer first(fixture, where);
  first.send(gdb::frame("qC"));
  CHECK(first.read(8) == "+$QC1#c5");
  TcpPeer second(fixture, where);
  CHECK(second.at_end());
  CHECK(fixture.log.find("refused 127.0.0.1:") != std::string::npos);
}

TEST_CASE("two clients share the machine") {
  Fixture fixture;
  const std::string where = listen(fixture);
  TcpPeer one(fixture, where), two(fixture, where);
  for (TcpPeer* peer : {&one, &two}) {
    peer->send(gdb::frame("QStartNoAckMode") + "+");
    CHECK(peer->read(7) == "+$OK#9a");
  }
  CHECK(fixture.counts == std::vector<std::size_t>{1, 2});
  one.send(gdb::frame("vCont;c"));
  REQUIRE(fixture.until([&] { return fixture.machine.target.running(); }));
  CHECK(two.ask("g", "E10") == gdb::frame("E10"));
}

TEST_CASE("closing everything sends clients away and takes their points out") {
  Fixture fixture;
  const std::string where = listen(fixture);
  TcpPeer peer(fixture, where);
  peer.send(gdb::frame("Z0,1000,1"));
  CHECK(peer.read(7) == "+$OK#9a");
  fixture.server.close_all();
  CHECK(fixture.machine.target.points().empty());
  CHECK(peer.at_end());
  tcp::socket late(fixture.io);
  boost::system::error_code error;
  late.connect(std::get<tcp::endpoint>(*parse_listen_address(where, false)), error);
  CHECK(error);
}

TEST_CASE("a port that is taken is refused with its name") {
  Fixture fixture;
  const std::string where = listen(fixture);
  auto again = fixture.server.listen(where);
  REQUIRE_FALSE(again);
  CHECK(again.error().what == "cannot listen on " + where + ": Address already in use");
  CHECK(again.error().sys_errno == EADDRINUSE);
}

TEST_CASE("a unix socket is for its owner alone and gone at the end") {
  const TemporaryPath file;
  {
    Fixture fixture;
    CHECK(listen(fixture, "unix:" + file.path) == "unix:" + file.path);
    const auto mode = std::filesystem::status(file.path).permissions();
    CHECK((mode & std::filesystem::perms::mask) == std::filesystem::perms(0600));
    Peer<Local> peer(fixture, Local::endpoint(file.path));
    peer.send(gdb::frame("qC"));
    CHECK(peer.read(8) == "+$QC1#c5");
    CHECK(fixture.log == "client 1: gdb from unix:" + file.path + "\n");
  }
  CHECK_FALSE(std::filesystem::exists(file.path));
}

TEST_CASE("a stale unix socket is replaced, a live one is not") {
  const TemporaryPath file;
  {
    asio::io_context io;
    Local::acceptor stale(io, Local::endpoint(file.path));
  }
  REQUIRE(std::filesystem::exists(file.path));
  Fixture fixture;
  listen(fixture, "unix:" + file.path);
  Fixture other;
  auto refused = other.server.listen("unix:" + file.path);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().what == "somebody listens on " + file.path + " already");
}

TEST_CASE("a file that is no socket stays") {
  const TemporaryPath file;
  std::ofstream(file.path) << "precious";
  Fixture fixture;
  auto refused = fixture.server.listen("unix:" + file.path);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().what == file.path + " exists and is no socket");
  CHECK(std::filesystem::file_size(file.path) == 8);
}

TEST_CASE("a socket file that another server put in place of ours stays") {
  const TemporaryPath file;
  asio::io_context io;
  Local::acceptor other(io);
  {
    Fixture fixture;
    listen(fixture, "unix:" + file.path);
    std::filesystem::remove(file.path);
    other.open();
    other.bind(Local::endpoint(file.path));
  }
  CHECK(std::filesystem::exists(file.path));
}

/// A client at the other end of two pipes, as a debugger that started the server is.
struct PipePeer {
  explicit PipePeer(Fixture& fixture) {
    REQUIRE(::pipe(to_server) == 0);
    REQUIRE(::pipe(from_server) == 0);
    auto stream = make_stream(fixture.io, to_server[0], from_server[1], "pipes");
    REQUIRE(stream);
    fixture.server.serve(*std::move(stream), "pipes");
    ::close(to_server[0]);
    ::close(from_server[1]);
  }
  ~PipePeer() {
    hang_up();
    ::close(from_server[0]);
  }
  void hang_up() {
    if (to_server[1] >= 0) ::close(std::exchange(to_server[1], -1));
  }
  void send(std::string_view bytes) const {
    REQUIRE(::write(to_server[1], bytes.data(), bytes.size()) ==
            static_cast<ssize_t>(bytes.size()));
  }
  std::string read(std::size_t size) const {
    std::string text(size, '\0');
    const auto count = ::read(from_server[0], text.data(), size);
    text.resize(static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
    return text;
  }
  int to_server[2] = {-1, -1}, from_server[2] = {-1, -1};
};

TEST_CASE("a client on pipes is served like any other, and when it goes nobody can come") {
  Fixture fixture;
  bool deserted = false;
  fixture.server.on_deserted([&] { deserted = true; });
  PipePeer peer(fixture);
  peer.send(gdb::frame("Z1,1000,1"));
  REQUIRE(fixture.until_log("client 1: gdb from pipes"));
  CHECK(peer.read(100) == "+" + gdb::frame("OK"));
  CHECK(fixture.machine.target.points().size() == 1);
  CHECK_FALSE(deserted);
  peer.hang_up();
  REQUIRE(fixture.until([&] { return deserted; }));
  CHECK(fixture.machine.target.points().empty());
  CHECK(peer.read(1).empty()); // the server's end is closed
}

TEST_CASE("with a listener too, somebody can still come") {
  Fixture fixture;
  bool deserted = false;
  fixture.server.on_deserted([&] { deserted = true; });
  const std::string where = listen(fixture);
  PipePeer peer(fixture);
  peer.send("+");
  REQUIRE(fixture.until_log("client 1: gdb from pipes"));
  peer.hang_up();
  REQUIRE(fixture.until_log("client 1 left"));
  CHECK_FALSE(deserted);
  TcpPeer other(fixture, where);
  other.send("+");
  CHECK(fixture.until_log("client 2: gdb from 127.0.0.1"));
}

TEST_CASE("a client on pipes may take its time") {
  Settings settings;
  settings.first_byte = 1ms;
  Fixture fixture(settings);
  PipePeer peer(fixture);
  CHECK_FALSE(fixture.until([&] { return !fixture.log.empty(); }));
  peer.send(gdb::frame("qC"));
  CHECK(fixture.until_log("client 1: gdb from pipes"));
}

TEST_CASE("a terminal or a closed descriptor is no stream") {
  asio::io_context io;
  const int terminal = ::posix_openpt(O_RDWR | O_NOCTTY);
  if (terminal >= 0) {
    auto stream = make_stream(io, terminal, terminal, "this");
    ::close(terminal);
    REQUIRE_FALSE(stream);
    CHECK(stream.error().what.starts_with("this is a terminal, where a debugger should be"));
  }
  auto closed = make_stream(io, -1, -1, "nothing");
  REQUIRE_FALSE(closed);
  CHECK(closed.error().what == "cannot serve a debugger on nothing: Bad file descriptor");
}

} // namespace
} // namespace kdbg::server
