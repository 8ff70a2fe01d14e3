#pragma once
/// What the guest writes on its console, gathered for a moment and handed to the strand: clients
/// are told of lines, not of bytes.
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <functional>
#include <mutex>
#include <string>

namespace kdbg::server {

class ConsoleFeed {
public:
  /// Bytes in one delivery. A protocol may spell one as six, and its packets have limits.
  static constexpr std::size_t longest = 0x4000;
  /// `deliver` is called on the thread that runs `io`, which must outlive this.
  ConsoleFeed(boost::asio::io_context& io, std::function<void(std::string)> deliver);
  ConsoleFeed(const ConsoleFeed&) = delete;
  ConsoleFeed& operator=(const ConsoleFeed&) = delete;

  /// Any thread.
  void put(std::byte byte);

private:
  void wait();

  boost::asio::io_context& io_;
  boost::asio::steady_timer timer_;
  std::function<void(std::string)> deliver_;
  std::mutex mutex_;
  std::string gathered_; // when not empty, its delivery is on the way
};

} // namespace kdbg::server
