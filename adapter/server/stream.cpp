#include "adapter/server/stream.hpp"

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/write.hpp>

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

namespace kdbg::server {
namespace {

namespace asio = boost::asio;
using Descriptor = asio::posix::stream_descriptor;

class SocketStream final : public Stream {
public:
  explicit SocketStream(Socket socket) : socket_(std::move(socket)) {}
  asio::any_io_executor executor() override { return socket_.get_executor(); }
  void read_some(asio::mutable_buffer into, Handler done) override {
    socket_.async_read_some(into, std::move(done));
  }
  void write(asio::const_buffer from, Handler done) override {
    asio::async_write(socket_, from, std::move(done));
  }
  void close() override {
    boost::system::error_code ignored;
    socket_.close(ignored);
  }

private:
  Socket socket_;
};

class PairStream final : public Stream {
public:
  explicit PairStream(asio::io_context& io) : input_(io), output_(io) {}
  Status open(int input, int output) {
    TRY(take(input_, input));
    return take(output_, output);
  }
  asio::any_io_executor executor() override { return input_.get_executor(); }
  void read_some(asio::mutable_buffer into, Handler done) override {
    input_.async_read_some(into, std::move(done));
  }
  void write(asio::const_buffer from, Handler done) override {
    asio::async_write(output_, from, std::move(done));
  }
  void close() override {
    boost::system::error_code ignored;
    input_.close(ignored);
    output_.close(ignored);
  }

private:
  static Status take(Descriptor& into, int descriptor) {
    const int copy = ::fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
    if (copy < 0) return Error{Code::kernel, strerrordesc_np(errno), errno};
    boost::system::error_code error;
    if (into.assign(copy, error)) {
      ::close(copy);
      return Error{Code::kernel, error.message(), error.value()};
    }
    into.non_blocking(true, error);
    return Done{};
  }
  Descriptor input_, output_;
};

} // namespace

std::unique_ptr<Stream> make_stream(Socket socket) {
  return std::make_unique<SocketStream>(std::move(socket));
}

Result<std::unique_ptr<Stream>>
make_stream(asio::io_context& io, int input, int output, std::string_view name) {
  if (::isatty(input) != 0 || ::isatty(output) != 0) {
    return Error{Code::bad_request,
                 fmt::format("{} is a terminal, where a debugger should be: "
                             "gdb -ex 'target remote | kvmdbg run --listen stdio IMAGE'",
                             name)};
  }
  auto stream = std::make_unique<PairStream>(io);
  if (auto opened = stream->open(input, output); !opened) {
    return Error{opened.error().code,
                 fmt::format("cannot serve a debugger on {}: {}", name, opened.error().what),
                 opened.error().sys_errno};
  }
  return std::unique_ptr<Stream>(std::move(stream));
}

} // namespace kdbg::server
