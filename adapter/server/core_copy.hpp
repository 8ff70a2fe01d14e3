#pragma once
/// Copies a guest's memory into a core file, a slice at a time: the one loop behind `monitor dump`
/// and `kvmdbg dump`.
#include "adapter/core_header.hpp"
#include "adapter/server/core_file.hpp"

#include <functional>

namespace kdbg::server {

class CoreCopy {
public:
  /// Reads up to `length` bytes of physical memory: at least one, or an error.
  using Read = std::function<Result<Bytes>(std::uint64_t at, std::size_t length)>;

  /// Writes the header. `slice`: bytes that one `step` asks for.
  static Result<CoreCopy>
  begin(const Bytes& header, std::unique_ptr<CoreFile> file, Read read, std::size_t slice);

  /// One slice; true when it was the last.
  Result<bool> step();
  /// After the last: the file gets its size and its name.
  Status finish();
  unsigned percent() const;
  /// "wrote 128 MiB of memory to core"
  std::string outcome() const;

private:
  CoreCopy(std::unique_ptr<CoreFile> file, Read read, std::size_t slice)
      : file_(std::move(file)), read_(std::move(read)), slice_(slice) {}

  std::unique_ptr<CoreFile> file_;
  Read read_;
  std::size_t slice_;
  std::vector<CoreSegment> segments_;
  std::size_t segment_ = 0; ///< the one under way
  std::uint64_t in_segment_ = 0, done_ = 0, total_ = 0;
};

} // namespace kdbg::server
