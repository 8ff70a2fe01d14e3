#include "adapter/server/dial.hpp"

#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/write.hpp>

#include <chrono>
#include <fmt/format.h>
#include <optional>

namespace kdbg::server {

namespace asio = boost::asio;

Result<std::unique_ptr<Dial>> Dial::connect(std::string_view address) {
  const ListenAddress where = TRY(parse_listen_address(address, true));
  auto dial = std::make_unique<Dial>();
  boost::system::error_code error;
  if (const auto* local = std::get_if<UnixPath>(&where)) {
    dial->socket_.connect(asio::local::stream_protocol::endpoint(local->path), error);
  } else {
    dial->socket_.connect(std::get<asio::ip::tcp::endpoint>(where), error);
  }
  if (error) {
    return Error{Code::closed, fmt::format("cannot connect to {}: {}", address, error.message())};
  }
  return dial;
}

Status Dial::send(ByteView bytes) {
  boost::system::error_code error;
  asio::write(socket_, asio::buffer(bytes.data(), bytes.size()), error);
  if (error) return Error{Code::closed, "the server is gone: " + error.message()};
  return Done{};
}

Result<Bytes> Dial::receive() {
  constexpr std::chrono::seconds patience{30};
  Bytes bytes(std::size_t{256} << 10);
  std::optional<boost::system::error_code> outcome;
  std::size_t count = 0;
  socket_.async_read_some(asio::buffer(bytes.data(), bytes.size()),
                          [&](boost::system::error_code error, std::size_t got) {
                            outcome = error;
                            count = got;
                          });
  io_.restart();
  io_.run_for(patience);
  if (!outcome) {
    socket_.cancel();
    io_.restart();
    io_.run(); // the handler refers to what is here
    return Error{Code::closed,
                 fmt::format("the server said nothing for {} seconds", patience.count())};
  }
  if (*outcome) return Error{Code::closed, "the server is gone: " + outcome->message()};
  bytes.resize(count);
  return bytes;
}

} // namespace kdbg::server
