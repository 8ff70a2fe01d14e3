#include "protocols/dap/wire/stream_channel.hpp"

#include "adapter/types.hpp"

#include <cerrno>
#include <climits>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

namespace kdbg::dap {

StreamChannel::StreamChannel(int in, int out, std::string_view begun)
    : in_(in), out_(out), shut_(::eventfd(0, EFD_CLOEXEC)) {
  unframer_.feed(begun);
  ::fcntl(out_, F_SETFL, ::fcntl(out_, F_GETFL) | O_NONBLOCK);
}

StreamChannel::~StreamChannel() {
  ::close(shut_);
}

Status StreamChannel::await(int fd, short events) const {
  pollfd both[] = {{fd, events, 0}, {shut_, POLLIN, 0}};
  while (::poll(both, 2, -1) < 0) {
    if (errno != EINTR) return Error{Code::kernel, "waiting for the client failed", errno};
  }
  if (both[1].revents != 0) return Error{Code::closed, "the connection was shut"};
  return Done{};
}

Result<std::optional<std::string>> StreamChannel::read() {
  for (;;) {
    auto next = unframer_.next();
    if (auto* message = std::get_if<std::string>(&next)) return std::optional(std::move(*message));
    if (auto* error = std::get_if<Error>(&next)) return *error;
    TRY(await(in_, POLLIN));
    char bytes[64 * 1024];
    const ssize_t got = ::read(in_, bytes, sizeof bytes);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (got < 0) return Error{Code::closed, "reading from the client failed", errno};
    if (got == 0 && unframer_.pending()) {
      return Error{Code::closed, "the client left in the middle of a message"};
    }
    if (got == 0) return std::optional<std::string>{};
    unframer_.feed({bytes, static_cast<std::size_t>(got)});
  }
}

Status StreamChannel::write(std::string_view message) {
  return write_bytes(frame(message));
}

/// So little is taken whole or not at all by a pipe (pipe(7)), and by a socket all but always.
bool StreamChannel::write_now(std::string_view message) {
  if (message.size() > PIPE_BUF) return false;
  const std::string framed = frame(message);
  const ssize_t sent = ::write(out_, framed.data(), framed.size());
  if (sent <= 0) return false;
  // a failure is met again by who writes the next one
  ignore(write_bytes(std::string_view(framed).substr(static_cast<std::size_t>(sent))));
  return true;
}

Status StreamChannel::write_bytes(std::string_view rest) {
  while (!rest.empty()) {
    const ssize_t sent = ::write(out_, rest.data(), rest.size());
    if (sent >= 0) {
      rest.remove_prefix(static_cast<std::size_t>(sent));
    } else if (errno == EAGAIN) {
      TRY(await(out_, POLLOUT));
    } else if (errno != EINTR) {
      return Error{Code::closed, "writing to the client failed", errno};
    }
  }
  return Done{};
}

void StreamChannel::shut() {
  const std::uint64_t one = 1;
  ignore(Result<bool>(::write(shut_, &one, sizeof one) == sizeof one));
}

} // namespace kdbg::dap
