#include "adapter/server/channel.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>

#include <fmt/format.h>

namespace kdbg::server {

namespace asio = boost::asio;

Channel::Channel(std::unique_ptr<Stream> stream, const Settings& settings)
    : stream_(std::move(stream)), timer_(stream_->executor()), settings_(settings) {}

void Channel::read() {
  stream_->read_some(asio::buffer(input_),
                     [self = shared_from_this()](ErrorCode error, std::size_t count) {
                       self->on_read(error, count);
                     });
}

void Channel::on_read(ErrorCode error, std::size_t count) {
  if (closed_) return;
  if (error == asio::error::eof) return finish("it hung up");
  if (error) return close(error.message());
  take(std::span(input_).first(count));
  if (open()) read();
}

void Channel::read_after(ByteView said) {
  take(said);
  if (open()) read();
}

void Channel::take(ByteView bytes) {
  if (bytes.empty()) return;
  if (auto taken = received(bytes); !taken) finish(taken.error().what);
}

void Channel::send(std::string bytes) {
  if (!open()) return;
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

void Channel::write() {
  writing_.swap(pending_);
  stream_->write(asio::buffer(writing_), [self = shared_from_this()](ErrorCode error, std::size_t) {
    self->on_written(error);
  });
}

void Channel::on_written(ErrorCode error) {
  if (closed_) return;
  if (error) return close(error.message());
  writing_.clear();
  if (!pending_.empty()) return write();
  if (finishing_) close("done");
}

void Channel::finish(std::string_view why) {
  if (!open()) return;
  if (writing_.empty()) return close(why);
  // A client may half-close and then read what it asked for.
  finishing_ = true;
  left(why);
  close_after(settings_.last_bytes, "it does not read");
}

void Channel::close_after(std::chrono::milliseconds time, std::string_view why) {
  timer_.expires_after(time);
  timer_.async_wait([weak = weak_from_this(), why](ErrorCode error) {
    auto self = weak.lock();
    if (!error && self) self->close(why);
  });
}

void Channel::close(std::string_view why) {
  if (std::exchange(closed_, true)) return;
  left(why);
  timer_.cancel();
  stream_->close();
  closed();
}

} // namespace kdbg::server
