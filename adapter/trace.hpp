#pragma once
/// The one text format: packets, commands, events and ioctls, a line each. What `--trace FILE`
/// writes, tests/transcripts replays. Off costs one branch.
#include "adapter/stop.hpp"

#include <cstdio>
#include <memory>
#include <mutex>

namespace kdbg {

class Trace {
public:
  Trace() = default; ///< off
  explicit Trace(std::FILE* owned) : file_(owned, &std::fclose) {}
  bool on() const { return file_ != nullptr; }
  /// `-> $m1000,4#..` (from client) or `<- ...` (to client); bytes outside ASCII as \xNN.
  void bytes(ClientId client, std::string_view direction, ByteView data);
  /// ` ! stopped ...`
  void event(const Event& event);
  /// ` . text`: commands, ioctls and remarks. Any thread.
  void note(std::string_view text);

private:
  void line(std::string_view text);
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file_{nullptr, &std::fclose};
  std::mutex mutex_; // vCPU threads note ioctls
};

} // namespace kdbg
