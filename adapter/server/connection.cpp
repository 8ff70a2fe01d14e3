#include "adapter/server/connection.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>

#include <fmt/format.h>

namespace kdbg::server {

namespace asio = boost::asio;

Connection::Connection(std::unique_ptr<Stream> stream,
                       std::string name,
                       Machine machine,
                       std::span<const Protocol> protocols,
                       const Settings& settings,
                       Observer observer)
    : stream_(std::move(stream)),
      timer_(stream_->executor()),
      name_(std::move(name)),
      protocols_(protocols),
      settings_(settings),
      observer_(std::move(observer)),
      session_(machine.target, machine.arbiter, machine.trace, machine.dumps) {}

void Connection::start() {
  if (settings_.first_byte > settings_.first_byte.zero()) {
    close_after(settings_.first_byte, "it said nothing");
  }
  read();
}

void Connection::read() {
  stream_->read_some(asio::buffer(input_),
                     [self = shared_from_this()](ErrorCode error, std::size_t count) {
                       self->on_read(error, count);
                     });
}

void Connection::on_read(ErrorCode error, std::size_t count) {
  if (closed_) return;
  if (error == asio::error::eof) return finish("it hung up");
  if (error) return close(error.message());
  const ByteView bytes = std::span(input_).first(count);
  if (!front_end_ && !open(bytes.front())) {
    const auto first = std::to_integer<unsigned>(bytes.front());
    return close(fmt::format("no protocol begins with byte {:#04x}", first));
  }
  serve(bytes);
}

void Connection::serve(ByteView bytes) {
  if (auto received = front_end_->receive(bytes); !received) return finish(received.error().what);
  if (!closed_ && !finishing_) read();
}

bool Connection::open(std::byte first) {
  for (const Protocol& protocol : protocols_) {
    if (!protocol.speaks(first)) continue;
    timer_.cancel();
    front_end_ = protocol.open(session_, [this](std::string bytes) { send(std::move(bytes)); });
    session_.join(*front_end_, std::string(protocol.name), name_);
    joined_ = true;
    observer_.log(fmt::format("client {}: {} from {}", static_cast<std::uint32_t>(session_.id()),
                              protocol.name, name_));
    observer_.joined();
    return true;
  }
  return false;
}

void Connection::send(std::string bytes) {
  if (closed_ || finishing_) return;
  if (bytes.size() + pending_.size() + writing_.size() > settings_.max_backlog) {
    // Later: the front end that is sending must not be pulled from under itself.
    asio::post(stream_->executor(), [self = shared_from_this()] {
      self->close(fmt::format("it is more than {} bytes behind", self->settings_.max_backlog));
    });
    return;
  }
  if (pending_.empty()) {
    pending_ = std::move(bytes);
  } else {
    pending_ += bytes;
  }
  if (writing_.empty()) write();
}

void Connection::write() {
  writing_.swap(pending_);
  stream_->write(asio::buffer(writing_), [self = shared_from_this()](ErrorCode error, std::size_t) {
    self->on_written(error);
  });
}

void Connection::on_written(ErrorCode error) {
  if (closed_) return;
  if (error) return close(error.message());
  writing_.clear();
  if (!pending_.empty()) return write();
  if (finishing_) close("done");
}

void Connection::finish(std::string_view why) {
  if (closed_ || finishing_) return;
  if (writing_.empty()) return close(why);
  // A client may half-close and then read what it asked for.
  finishing_ = true;
  leave(why);
  close_after(settings_.last_bytes, "it does not read");
}

void Connection::close_after(std::chrono::milliseconds time, std::string_view why) {
  timer_.expires_after(time);
  timer_.async_wait([weak = weak_from_this(), why](ErrorCode error) {
    auto self = weak.lock();
    if (!error && self) self->close(why);
  });
}

void Connection::close(std::string_view why) {
  if (std::exchange(closed_, true)) return;
  leave(why);
  timer_.cancel();
  stream_->close();
  observer_.closed(*this);
}

void Connection::leave(std::string_view why) {
  if (!joined_) {
    if (!front_end_) observer_.log(fmt::format("closed a connection from {}: {}", name_, why));
    return;
  }
  joined_ = false;
  session_.leave();
  observer_.log(fmt::format("client {} left: {}", static_cast<std::uint32_t>(session_.id()), why));
}

} // namespace kdbg::server
