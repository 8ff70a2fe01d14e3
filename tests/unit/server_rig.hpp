#pragma once
/// A server with a fake machine, and clients of it, on one thread.
#include "adapter/server/server.hpp"
#include "protocols/gdb/codec.hpp"
#include "protocols/gdb/protocol.hpp"
#include "protocols/state/protocol.hpp"
#include "tests/fakes/recording_client.hpp"

#include <boost/asio/connect.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/write.hpp>
#include <catch2/catch.hpp>

#include <fmt/format.h>

namespace kdbg::server {

namespace asio = boost::asio;
using namespace std::chrono_literals;
using asio::ip::tcp;
using Local = asio::local::stream_protocol;

struct Fixture {
  explicit Fixture(Settings settings = {}, GatewaySettings gateway = {})
      : server(
            io,
            machine.target,
            machine.arbiter,
            machine.trace,
            {gdb::protocol(), state::protocol()},
            [this](std::string_view line) { log += fmt::format("{}\n", line); },
            settings,
            nullptr,
            std::move(gateway)) {
    server.on_clients_changed([this](std::size_t count) { counts.push_back(count); });
  }

  /// Lets the server work until `done`, for at most two seconds.
  bool until(const std::function<bool()>& done) {
    for (int i = 0; i < 2000; ++i) {
      io.restart();
      io.poll();
      if (done()) return true;
      io.restart();
      io.run_for(1ms);
    }
    return false;
  }
  bool until_log(std::string_view text) {
    return until([&] { return log.find(text) != std::string::npos; });
  }

  asio::io_context io;
  fakes::Machine machine;
  std::string log;
  std::vector<std::size_t> counts;
  Server server;
};

/// The other end. Speaks without acks.
template <class Protocol>
class Peer {
public:
  Peer(Fixture& fixture, typename Protocol::endpoint where)
      : fixture_(fixture), socket(fixture.io) {
    socket.connect(where);
  }
  void send(std::string_view bytes) { asio::write(socket, asio::buffer(bytes)); }
  std::string read(std::size_t wanted) {
    std::string text;
    fixture_.until([&] {
      text.resize(std::min(wanted, socket.available()));
      return text.size() == wanted;
    });
    socket.read_some(asio::buffer(text));
    return text;
  }
  std::string ask(std::string_view packet, std::string_view answer) {
    send(gdb::frame(packet));
    return read(gdb::frame(answer).size());
  }
  /// Whether the server has closed the connection.
  bool at_end() {
    socket.non_blocking(true);
    return fixture_.until([&] {
      char c = 0;
      boost::system::error_code error;
      socket.read_some(asio::buffer(&c, 1), error);
      return error == asio::error::eof || error == asio::error::connection_reset;
    });
  }

private:
  Fixture& fixture_;

public:
  typename Protocol::socket socket;
};

struct TcpPeer : Peer<tcp> {
  explicit TcpPeer(Fixture& fixture, std::string_view where)
      : Peer(fixture, std::get<tcp::endpoint>(*parse_listen_address(where, false))) {}
};

inline std::string listen(Fixture& fixture, std::string_view address = "127.0.0.1:0") {
  auto where = fixture.server.listen(address);
  REQUIRE(where);
  return *where;
}

} // namespace kdbg::server
