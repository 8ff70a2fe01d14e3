#pragma once
/// One client's stream and its front end: bytes in, ordered bytes out, and a clean leave on every
/// way out. Knows no protocol but by what its first byte says.
#include "adapter/server/settings.hpp"
#include "adapter/server/stream.hpp"
#include "adapter/session.hpp"

#include <boost/asio/steady_timer.hpp>

#include <array>

namespace kdbg::server {

/// What a connection serves; outlives it.
struct Machine {
  Target& target;
  Arbiter& arbiter;
  Trace& trace;
  Dumps* dumps = nullptr;
};

class Connection : public std::enable_shared_from_this<Connection> {
public:
  /// Told when the client is known, and when it has left (`closed`).
  struct Observer {
    Log log;
    std::function<void()> joined;
    std::function<void(Connection&)> closed;
  };

  /// `protocols` must outlive the connection. `name` is the peer's, for the log.
  Connection(std::unique_ptr<Stream> stream,
             std::string name,
             Machine machine,
             std::span<const Protocol> protocols,
             const Settings& settings,
             Observer observer);
  void start();
  /// Leaves the machine and closes the stream at once.
  void close(std::string_view why);

private:
  using ErrorCode = boost::system::error_code;
  void read();
  void on_read(ErrorCode error, std::size_t count);
  void serve(ByteView bytes);
  bool open(std::byte first);
  void send(std::string bytes);
  void write();
  void on_written(ErrorCode error);
  void finish(std::string_view why);
  void close_after(std::chrono::milliseconds time, std::string_view why);
  void leave(std::string_view why);

  std::unique_ptr<Stream> stream_;
  boost::asio::steady_timer timer_;
  std::string name_;
  std::span<const Protocol> protocols_;
  Settings settings_;
  Observer observer_;
  Session session_;
  std::unique_ptr<FrontEnd> front_end_; // null until the first byte
  std::array<std::byte, 65536> input_;
  std::string writing_, pending_; // under way, and what comes after it
  bool joined_ = false, finishing_ = false, closed_ = false;
};

} // namespace kdbg::server
