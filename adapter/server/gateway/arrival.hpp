#pragma once
/// A connection that has not yet said what it speaks: reads until that is told, within a time, and
/// hands the socket on with what was read.
#include "adapter/server/gateway/door.hpp"
#include "adapter/server/gateway/sniff.hpp"
#include "adapter/server/settings.hpp"
#include "adapter/server/stream.hpp"

#include <boost/asio/steady_timer.hpp>

#include <array>

namespace kdbg::server {

/// Who has come, and what it may do.
struct Visitor {
  Socket socket;
  std::string peer; ///< for people
  Role role = Role::control;
};

/// Held shared by what is under way on its socket.
class Arrival : public std::enable_shared_from_this<Arrival> {
public:
  /// One of these is called, once. `said`: what was read of the socket, from its first byte on.
  struct Outcomes {
    std::function<void(Visitor visitor, std::string_view said)> protocol;
    std::function<void(Visitor visitor, std::string_view said)> dap;
    std::function<void(Visitor visitor, const HttpRequest& request, bool behind)> http;
    /// The head of a request is no head; the socket is still open.
    std::function<void(Visitor visitor, const Error& why)> malformed;
    std::function<void(const std::string& peer, std::string_view why)> closed;
  };
  /// `protocols` must outlive it.
  Arrival(Visitor visitor, std::span<const Protocol> protocols);
  /// `patience`: for all of its first words.
  void start(std::chrono::milliseconds patience, Outcomes outcomes);
  void close(std::string_view why);

private:
  void read();
  void on_read(boost::system::error_code error, std::size_t count);
  void take(std::string_view bytes);
  void take_head(std::string_view bytes);
  template <class Outcome, class... Rest>
  void leave(Outcome& outcome, Rest&&... rest);

  Visitor visitor_;
  std::span<const Protocol> protocols_;
  Outcomes outcomes_;
  boost::asio::steady_timer timer_;
  std::array<char, 4096> input_{};
  std::string said_;
  std::unique_ptr<HttpHead> head_; // once it is known to be HTTP
  bool over_ = false;
};

} // namespace kdbg::server
