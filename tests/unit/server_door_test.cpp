#include "adapter/server/gateway/websocket.hpp"
#include "tests/unit/server_rig.hpp"

namespace kdbg::server {
namespace {

constexpr std::string_view secret = "5ec2e7";

GatewaySettings with_token(std::string dap = "/no/such/adapter") {
  GatewaySettings out;
  out.tokens.control = secret;
  out.dap = std::move(dap);
  return out;
}

/// RFC 6455 1.3 has this key, and what it is answered with.
std::string upgrade(std::string_view path, std::string_view where) {
  return fmt::format("GET {} HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                     "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                     "Sec-WebSocket-Protocol: kvmdbg.token.{}\r\n\r\n",
                     path, where, secret);
}

/// A short frame as a client sends it, with a mask of zeros: RFC 6455 5.3.
std::string masked(unsigned char opcode, std::string_view payload) {
  std::string out{static_cast<char>(0x80 | opcode), static_cast<char>(0x80 | payload.size())};
  return out + std::string(4, '\0') + std::string(payload);
}

/// All that comes until the server closes.
std::string rest_of(Fixture& fixture, TcpPeer& peer) {
  std::string text;
  peer.socket.non_blocking(true);
  CHECK(fixture.until([&] {
    std::array<char, 4096> piece{};
    boost::system::error_code error;
    const std::size_t count = peer.socket.read_some(asio::buffer(piece), error);
    text.append(piece.data(), count);
    return error && error != asio::error::would_block;
  }));
  return text;
}

TEST_CASE("a page is given, and no more of the connection") {
  Fixture fixture;
  const std::string where = listen(fixture);
  TcpPeer peer(fixture, where);
  peer.send(fmt::format("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", where) + gdb::frame("qC"));
  const std::string answer = rest_of(fixture, peer);
  CHECK(answer.starts_with("HTTP/1.1 200 OK\r\n"));
  CHECK(answer.ends_with("</html>\n"));
  CHECK(fixture.machine.arbiter.client_count() == 0);
}

TEST_CASE("packets go by WebSocket too") {
  Fixture fixture({}, with_token());
  const std::string where = listen(fixture);
  TcpPeer peer(fixture, where);
  const std::string request = upgrade("/rsp", where);
  // in two pieces: what a proxy may make of it
  peer.send(request.substr(0, 30));
  fixture.io.run_for(5ms);
  peer.send(request.substr(30));
  std::string head;
  while (!head.ends_with("\r\n\r\n")) {
    head += peer.read(1);
    REQUIRE(head.size() < 1000);
  }
  CHECK(head.starts_with("HTTP/1.1 101 Switching Protocols\r\n"));
  CHECK(head.find("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") != std::string::npos);
  peer.send(masked(2, gdb::frame("qC")));
  CHECK(peer.read(2 + 8) == "\x82\x08+$QC1#c5");
  CHECK(fixture.log.starts_with("client 1: gdb from 127.0.0.1:"));
  SECTION("until it leaves") {
    peer.socket.close();
    CHECK(fixture.until_log("client 1 left"));
  }
  SECTION("until it says something else") {
    peer.send(masked(1, "text"));
    CHECK(peer.read(4) == std::string("\x88\x1f\x03\xeb", 4)); // 1003
    peer.socket.close();
    CHECK(fixture.until_log("client 1 left"));
  }
  SECTION("until the server ends") {
    fixture.server.close_all();
    CHECK(rest_of(fixture, peer) ==
          close_frame(CloseCode::going_away, "the server ends this connection"));
  }
  CHECK(fixture.machine.arbiter.client_count() == 0);
}

TEST_CASE("a client of a debug adapter that is not there is told so") {
  Fixture fixture({}, with_token());
  const std::string where = listen(fixture);
  TcpPeer peer(fixture, where);
  SECTION("on a stream, when it has asked") {
    peer.send("Content-Length: 32\r\n");
    fixture.io.run_for(5ms);
    peer.send("\r\n{\"seq\":3,\"command\":\"initialize\"}");
    const std::string answer = rest_of(fixture, peer);
    CHECK(answer.starts_with("Content-Length: "));
    CHECK(answer.find("\"request_seq\":3,\"success\":false") != std::string::npos);
    CHECK(answer.find("/no/such/adapter") != std::string::npos);
  }
  SECTION("by WebSocket, when it is one") {
    peer.send(upgrade("/dap", where));
    const std::string answer = rest_of(fixture, peer);
    CHECK(answer.starts_with("HTTP/1.1 101 "));
    CHECK(answer.find("/no/such/adapter") != std::string::npos);
    CHECK(answer.find("\x03\xf3the debug adapter") != std::string::npos); // 1011
  }
}

TEST_CASE("a debug adapter that ends at once leaves nobody waiting") {
  Fixture fixture({}, with_token("/bin/false"));
  const std::string where = listen(fixture);
  TcpPeer peer(fixture, where);
  SECTION("on a stream") {
    peer.send("Content-Length: 32\r\n\r\n{\"seq\":3,\"command\":\"initialize\"}");
    CHECK(rest_of(fixture, peer).find("ended with status 1") != std::string::npos);
  }
  SECTION("by WebSocket") {
    peer.send(upgrade("/dap", where));
    const std::string answer = rest_of(fixture, peer);
    CHECK(answer.starts_with("HTTP/1.1 101 "));
    CHECK(answer.find("ended with status 1") != std::string::npos);
  }
  CHECK(fixture.log.find("peak memory") != std::string::npos);
}

TEST_CASE("half of a first word is waited for, for a while") {
  Fixture fixture({.first_byte = 20ms});
  TcpPeer peer(fixture, listen(fixture));
  peer.send("GET / HT");
  CHECK(peer.at_end());
  CHECK(fixture.log.find("it did not say all of its first words") != std::string::npos);
}

} // namespace
} // namespace kdbg::server
