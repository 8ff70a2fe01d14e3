#pragma once
/// Bytes on a stream both ways: ordered writes, a limit to what may be waiting, and an end that is
/// told once, whichever way it came. Knows no protocol and no machine.
#include "adapter/server/settings.hpp"
#include "adapter/server/stream.hpp"
#include "adapter/types.hpp"

#include <boost/asio/steady_timer.hpp>

#include <array>

namespace kdbg::server {

/// Held shared by what is under way on its stream.
class Channel : public std::enable_shared_from_this<Channel> {
public:
  virtual ~Channel() = default;
  /// In order; what was sent before `finish` still leaves.
  void send(std::string bytes);
  /// Takes nothing more, sends what is due, then closes.
  void finish(std::string_view why);
  /// Closes the stream at once.
  void close(std::string_view why);

protected:
  Channel(std::unique_ptr<Stream> stream, const Settings& settings);
  void read();
  /// The same, after what has been read already.
  void read_after(ByteView said);
  void close_after(std::chrono::milliseconds time, std::string_view why);
  void stay() { timer_.cancel(); }
  const Settings& settings() const { return settings_; }
  bool open() const { return !closed_ && !finishing_; }

private:
  using ErrorCode = boost::system::error_code;
  /// An error finishes the channel.
  virtual Status received(ByteView bytes) = 0;
  /// Nothing more is received; it may be told twice.
  virtual void left(std::string_view why) = 0;
  /// The last that is heard of it.
  virtual void closed() = 0;

  void on_read(ErrorCode error, std::size_t count);
  void take(ByteView bytes);
  void write();
  void on_written(ErrorCode error);

  std::unique_ptr<Stream> stream_;
  boost::asio::steady_timer timer_;
  Settings settings_;
  std::array<std::byte, 65536> input_;
  std::string writing_, pending_; // under way, and what comes after it
  bool finishing_ = false, closed_ = false;
};

} // namespace kdbg::server
