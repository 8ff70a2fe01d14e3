#pragma once
/// Messages on their way to the client. What the channel does not take at once is written by a
/// thread of its own: a slow client never holds up the debugger, and one that takes nothing is
/// dropped.
#include "protocols/dap/wire/channel.hpp"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

namespace kdbg::dap {

class Outbox {
public:
  explicit Outbox(Channel& channel);
  /// Writes what is left for a second at most.
  ~Outbox();
  Outbox(const Outbox&) = delete;
  Outbox& operator=(const Outbox&) = delete;
  /// From any thread. A client that leaves more than max_unread bytes unread is dropped.
  void put(std::string message);
  /// Waits until all has been written; for a second at most.
  void flush();
  /// Whether the client was dropped for what it left unread.
  bool overrun() const;

  static constexpr std::size_t max_unread = std::size_t{32} << 20;

private:
  void write_all();

  Channel& channel_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::string> messages_;
  std::size_t bytes_ = 0;
  bool ending_ = false, dropped_ = false, overrun_ = false, idle_ = true;
  std::thread writer_;
};

} // namespace kdbg::dap
