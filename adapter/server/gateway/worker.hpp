#pragma once
/// One kvmdbg-dap process, which serves one client of the Debug Adapter Protocol. It has the
/// client's socket; we keep a copy, to say what has become of it should it die.
#include "adapter/server/gateway/spawn.hpp"
#include "adapter/server/settings.hpp"
#include "adapter/server/stream.hpp"
#include "adapter/types.hpp"

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

namespace kdbg::server {

/// What a worker is told when it is started.
struct WorkerOrder {
  std::string program;
  bool websocket = false;
  std::string preamble; ///< what has been read of the client's socket
  Role role = Role::control;
  std::string peer;
  std::vector<std::string> more; ///< further arguments
};

/// How it ended.
struct WorkerEnd {
  bool well = false;    ///< by itself, with status 0
  int status = 0;       ///< its exit status; 128 + number for a signal
  std::string how{};    ///< "ended with status 3", "was killed by signal 9 (Killed)"
  std::size_t peak = 0; ///< bytes of memory
  bool answered = true; ///< the client may have been sent something
};

/// Held shared by what is under way.
class Worker : public std::enable_shared_from_this<Worker> {
public:
  using Ended = std::function<void(const std::shared_ptr<Worker>&, const WorkerEnd&)>;
  using Serve = std::function<void(int socket, std::string_view purpose)>;

  /// `serve` is given our ends of two connections, to serve as any client's. `ended` is called
  /// once, later. A worker that leaves something of its client unread for `patience` is killed.
  static Result<std::shared_ptr<Worker>> start(Socket client,
                                               WorkerOrder order,
                                               std::chrono::milliseconds patience,
                                               const Serve& serve,
                                               Ended ended);

  pid_t process() const { return pid_; }
  const WorkerOrder& order() const { return order_; }
  /// The client's connection, for whoever has something to say there; once.
  Socket take_client() { return std::move(client_); }

private:
  using Clock = std::chrono::steady_clock;
  Worker(Socket client, WorkerOrder order, std::chrono::milliseconds patience, Ended ended);
  Status run(const Serve& serve);
  void wait();
  void look();
  std::size_t unread();
  void reap();

  Socket client_;
  WorkerOrder order_;
  std::chrono::milliseconds patience_;
  Ended ended_;
  pid_t pid_ = 0;
  boost::asio::posix::stream_descriptor watch_;
  boost::asio::steady_timer timer_;
  std::size_t unread_ = 0; ///< when it was looked at last
  Clock::time_point since_{};
  std::string verdict_; ///< why we killed it
};

} // namespace kdbg::server
