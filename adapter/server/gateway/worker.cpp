#include "adapter/server/gateway/worker.hpp"

#include "adapter/server/gateway/tcp_sent.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace kdbg::server {

namespace asio = boost::asio;
using ErrorCode = boost::system::error_code;

Worker::Worker(Socket client, WorkerOrder order, std::chrono::milliseconds patience, Ended ended)
    : client_(std::move(client)),
      order_(std::move(order)),
      patience_(patience),
      ended_(std::move(ended)),
      watch_(client_.get_executor()),
      timer_(client_.get_executor()) {}

Result<std::shared_ptr<Worker>> Worker::start(Socket client,
                                              WorkerOrder order,
                                              std::chrono::milliseconds patience,
                                              const Serve& serve,
                                              Ended ended) {
  std::shared_ptr<Worker> worker(
      new Worker(std::move(client), std::move(order), patience, std::move(ended)));
  TRY(worker->run(serve));
  return worker;
}

Status Worker::run(const Serve& serve) {
  ErrorCode ignored;
  client_.native_non_blocking(false, ignored); // as the child may expect of a socket
  SocketPair lldb = TRY(socket_pair()), control = TRY(socket_pair());
  std::vector<OwnedFd> given; // in the order of `names`
  given.emplace_back(::fcntl(client_.native_handle(), F_DUPFD_CLOEXEC, 0));
  given.push_back(TRY(file_of(order_.preamble)));
  given.push_back(std::move(lldb.theirs));
  given.push_back(std::move(control.theirs));
  constexpr std::string_view names[] = {"--client", "--preamble", "--lldb", "--control"};
  std::vector<std::string> arguments{order_.program};
  for (std::size_t i = 0; i < given.size(); ++i) {
    arguments.emplace_back(names[i]);
    arguments.push_back(fmt::format("{}", first_given + static_cast<int>(i)));
  }
  for (const std::string_view word :
       {std::string_view("--framing"),
        order_.websocket ? std::string_view("websocket") : std::string_view("stream"),
        std::string_view("--role"),
        order_.role == Role::control ? std::string_view("control") : std::string_view("observe"),
        std::string_view("--peer"), std::string_view(order_.peer)}) {
    arguments.emplace_back(word);
  }
  arguments.insert(arguments.end(), order_.more.begin(), order_.more.end());
  pid_ = TRY(spawn(order_.program, arguments, given));
  auto watch = watch_process(pid_);
  if (!watch) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    return watch.error();
  }
  watch_.assign(watch->release());
  serve(control.ours.release(), "control");
  serve(lldb.ours.release(), "lldb");
  since_ = Clock::now();
  wait();
  look();
  return Done{};
}

void Worker::wait() {
  watch_.async_wait(asio::posix::descriptor_base::wait_read,
                    [self = shared_from_this()](ErrorCode error) {
                      if (!error) self->reap();
                    });
}

/// Bytes that the client has sent and nobody has read; its end counts as one.
std::size_t Worker::unread() {
  int waiting = 0;
  pollfd poll{client_.native_handle(), POLLRDHUP, 0};
  if (::ioctl(poll.fd, FIONREAD, &waiting) != 0) waiting = 0;
  const bool ended = ::poll(&poll, 1, 0) > 0 && (poll.revents & (POLLRDHUP | POLLHUP)) != 0;
  return static_cast<std::size_t>(waiting) + (ended ? 1 : 0);
}

void Worker::look() {
  constexpr std::chrono::milliseconds seldom{1000};
  timer_.expires_after(std::min(seldom, patience_ / 4));
  timer_.async_wait([weak = weak_from_this()](ErrorCode error) {
    auto self = weak.lock();
    if (error || !self) return;
    const std::size_t now = self->unread();
    if (now == 0 || now != std::exchange(self->unread_, now)) self->since_ = Clock::now();
    if (Clock::now() - self->since_ < self->patience_) return self->look();
    self->verdict_ =
        fmt::format("read nothing of its client for {} s",
                    std::chrono::duration_cast<std::chrono::seconds>(self->patience_).count());
    ::syscall(SYS_pidfd_send_signal, self->watch_.native_handle(), SIGKILL, nullptr, 0);
  });
}

void Worker::reap() {
  timer_.cancel();
  int status = 0;
  rusage usage{};
  if (::wait4(pid_, &status, WNOHANG, &usage) != pid_) return;
  WorkerEnd end;
  end.peak = static_cast<std::size_t>(usage.ru_maxrss) << 10;
  if (WIFSIGNALED(status)) {
    const int signal = WTERMSIG(status);
    end.status = 128 + signal;
    end.how = verdict_.empty()
                  ? fmt::format("was killed by signal {} ({})", signal, sigdescr_np(signal))
                  : fmt::format("{} and was killed", verdict_);
  } else {
    end.status = WEXITSTATUS(status);
    end.well = end.status == 0;
    end.how = end.well ? "ended" : fmt::format("ended with status {}", end.status);
  }
  constexpr int not_loaded = 127;
  end.answered = end.status != not_loaded && tcp_has_sent(client_.native_handle()).value_or(true);
  const auto self = shared_from_this();
  std::exchange(ended_, {})(self, end);
}

} // namespace kdbg::server
