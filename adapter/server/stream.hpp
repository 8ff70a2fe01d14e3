#pragma once
/// Bytes both ways, as a connection sees them: a socket, or a pair of pipes such as standard input
/// and output.
#include "adapter/result.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/generic/stream_protocol.hpp>

#include <functional>
#include <memory>

namespace kdbg::server {

using Socket = boost::asio::generic::stream_protocol::socket;

class Stream {
public:
  using Handler = std::function<void(boost::system::error_code, std::size_t)>;
  virtual ~Stream() = default;
  virtual boost::asio::any_io_executor executor() = 0;
  /// At least one byte, or an error. The buffer must live until `done`.
  virtual void read_some(boost::asio::mutable_buffer into, Handler done) = 0;
  /// All of it, or an error.
  virtual void write(boost::asio::const_buffer from, Handler done) = 0;
  /// What is under way ends with an error.
  virtual void close() = 0;
};

std::unique_ptr<Stream> make_stream(Socket socket);
/// Reads one descriptor and writes another, duplicates of both, which become non-blocking. A
/// terminal is refused; `name` is theirs, for errors.
Result<std::unique_ptr<Stream>>
make_stream(boost::asio::io_context& io, int input, int output, std::string_view name);

} // namespace kdbg::server
