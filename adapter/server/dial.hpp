#pragma once
/// A connection to a server, for programs that do nothing else meanwhile.
#include "adapter/server/address.hpp"
#include "adapter/types.hpp"

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>

namespace kdbg::server {

class Dial {
public:
  /// `address` as with --listen: HOST:PORT or unix:PATH.
  static Result<std::unique_ptr<Dial>> connect(std::string_view address);
  Status send(ByteView bytes);
  /// At least one byte. A server that is silent for half a minute, or goes, is an error.
  Result<Bytes> receive();

private:
  boost::asio::io_context io_{1};
  boost::asio::generic::stream_protocol::socket socket_{io_};
};

} // namespace kdbg::server
