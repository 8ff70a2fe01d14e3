#include "adapter/server/dump.hpp"

#include <chrono>
#include <cstdio>
#include <fmt/format.h>
#include <unistd.h>

namespace kdbg::server {
namespace {

/// A line on a terminal that says how far it is, from the first second on.
class Progress {
public:
  void show(unsigned percent) {
    constexpr std::chrono::seconds between{1};
    const auto now = std::chrono::steady_clock::now();
    if (!terminal_ || now - shown_ < between) return;
    shown_ = now;
    any_ = true;
    fmt::print(stderr, "\rdump: {}%", percent);
  }
  ~Progress() {
    if (any_) fmt::print(stderr, "\r           \r");
  }

private:
  const bool terminal_ = ::isatty(STDERR_FILENO) == 1;
  std::chrono::steady_clock::time_point shown_ = std::chrono::steady_clock::now();
  bool any_ = false;
};

} // namespace

Result<std::string> write_dump(const DumpOptions& options,
                               const DumpSource& source,
                               const std::function<bool()>& interrupted) {
  constexpr std::size_t slice = std::size_t{120} << 10; // what one packet holds, most often
  auto file = TRY(CoreFile::create(options.file, options.force ? CoreFile::Existing::replaced
                                                               : CoreFile::Existing::refused));
  const std::string stop = TRY(source.stop_number());
  const Bytes header = TRY(source.header());
  CoreCopy copy = TRY(CoreCopy::begin(header, std::move(file), source.read, slice));
  Progress progress;
  while (!TRY(copy.step())) {
    if (interrupted()) return Error{Code::closed, "interrupted: nothing was written"};
    progress.show(copy.percent());
  }
  // the last slice is in: only now is it known whether all of them belong together
  if (TRY(source.stop_number()) != stop) {
    return Error{Code::running, "the guest was resumed while its memory was being copied"};
  }
  TRY(copy.finish());
  return copy.outcome();
}

} // namespace kdbg::server
