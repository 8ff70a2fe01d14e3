#include "adapter/server/core_copy.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace kdbg::server {

Result<CoreCopy>
CoreCopy::begin(const Bytes& header, std::unique_ptr<CoreFile> file, Read read, std::size_t slice) {
  CoreCopy copy(std::move(file), std::move(read), slice);
  copy.segments_ = TRY(core_segments(header));
  for (const CoreSegment& segment : copy.segments_) {
    copy.total_ += segment.memory.size;
  }
  TRY(copy.file_->write(0, header));
  return copy;
}

Result<bool> CoreCopy::step() {
  const CoreSegment& segment = segments_[segment_];
  const std::uint64_t left = segment.memory.size - in_segment_;
  const std::uint64_t at = segment.memory.start + in_segment_;
  const Bytes bytes =
      TRY(read_(at, static_cast<std::size_t>(std::min<std::uint64_t>(left, slice_))));
  if (bytes.empty() || bytes.size() > left) {
    return Error{Code::memory_fault, fmt::format("{} bytes of memory came from {:#x}, where {} are",
                                                 bytes.size(), at, left)};
  }
  TRY(file_->write(segment.offset + in_segment_, bytes));
  in_segment_ += bytes.size();
  done_ += bytes.size();
  if (in_segment_ < segment.memory.size) return false;
  in_segment_ = 0;
  return ++segment_ == segments_.size();
}

Status CoreCopy::finish() {
  const CoreSegment& last = segments_.back();
  return file_->finish(last.offset + last.memory.size);
}

unsigned CoreCopy::percent() const {
  return static_cast<unsigned>(100 * (done_ / 4096) / (total_ / 4096));
}

std::string CoreCopy::outcome() const {
  return fmt::format("wrote {} MiB of memory to {}", total_ >> 20, file_->path());
}

} // namespace kdbg::server
