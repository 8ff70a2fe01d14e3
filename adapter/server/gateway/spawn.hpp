#pragma once
/// One child process with the descriptors it is given and no others.
#include "adapter/result.hpp"

#include <span>
#include <sys/types.h>
#include <vector>

namespace kdbg::server {

/// A descriptor that is closed with it.
class OwnedFd {
public:
  OwnedFd() = default;
  explicit OwnedFd(int fd) : fd_(fd) {}
  OwnedFd(OwnedFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  OwnedFd& operator=(OwnedFd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~OwnedFd();
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

private:
  int fd_ = -1;
};

/// The first descriptor that a child is given; the others follow.
constexpr int first_given = 3;

/// `arguments`: from the program's name on. The child reads nothing, writes both its outputs to our
/// standard error, has a process group of its own, and every signal as new programs have it.
Result<pid_t> spawn(const std::string& program,
                    const std::vector<std::string>& arguments,
                    std::span<const OwnedFd> given);

/// A file in memory that is read from its beginning.
Result<OwnedFd> file_of(std::string_view text);
/// Two ends of one connection.
struct SocketPair {
  OwnedFd ours, theirs;
};
Result<SocketPair> socket_pair();
/// Becomes readable when the process has ended.
Result<OwnedFd> watch_process(pid_t pid);

} // namespace kdbg::server
