// Throws bytes at a WebSocket that has been accepted: frames of any kind, in pieces. No input may
// crash it, keep it from ending when its client has left, or make it say a frame that is none.
#include "adapter/server/gateway/websocket.hpp"
#include "tests/fuzz/choices.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/connect_pair.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/write.hpp>

#include <array>

namespace {

using namespace kdbg::server;
namespace asio = boost::asio;
using kdbg::fuzz::require;

const std::string request = "GET /rsp HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
                            "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";

/// Reads until the end, and answers each piece with itself.
class Echo {
public:
  explicit Echo(std::unique_ptr<Stream> stream) : stream_(std::move(stream)) { read(); }
  bool ended = false;

private:
  void read() {
    stream_->read_some(asio::buffer(buffer_), [this](auto error, std::size_t count) {
      if (error) return end();
      require(count > 0 && count <= buffer_.size());
      stream_->write(asio::buffer(buffer_.data(), count), [this](auto failed, std::size_t) {
        if (failed) return end();
        read();
      });
    });
  }
  void end() {
    ended = true;
    stream_->close();
  }
  std::unique_ptr<Stream> stream_;
  std::array<char, 512> buffer_{};
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  asio::io_context io;
  asio::local::stream_protocol::socket client(io), server(io);
  asio::local::connect_pair(client, server);
  std::unique_ptr<Echo> echo;
  accept_websocket(Socket(std::move(server)), request, std::chrono::seconds(1), [&](auto stream) {
    require(bool(stream));
    echo = std::make_unique<Echo>(*std::move(stream));
  });
  io.poll();
  require(echo != nullptr);
  for (std::size_t at = 0; at < size;) {
    const std::size_t count = std::min<std::size_t>(size - at, 1U + data[at] % 128);
    boost::system::error_code error;
    asio::write(client, asio::buffer(data + at, count), error);
    if (error) break; // it has closed already
    at += count;
    io.restart();
    io.poll();
  }
  client.close();
  io.restart();
  io.run_for(std::chrono::seconds(5));
  require(echo->ended);
  return 0;
}
