#include "protocols/gdb/scratch.hpp"

#include <fmt/format.h>

namespace kdbg::gdb {

Result<std::uint64_t> Scratch::take(std::uint64_t size) {
  constexpr std::uint64_t alignment = 16;
  if (size == 0 || size > size_) {
    return Error{Code::no_free_slot,
                 fmt::format("{} bytes asked of a scratch region of {}", size, size_)};
  }
  const std::uint64_t wanted = (size + alignment - 1) & ~(alignment - 1);
  std::uint64_t free_from = at_;
  for (const auto& [start, bytes] : taken_) {
    if (start - free_from >= wanted) break;
    free_from = start + bytes;
  }
  if (at_ + size_ - free_from < wanted) {
    return Error{Code::no_free_slot,
                 fmt::format("no {} bytes in a row are free of {} at {:#x}", size, size_, at_)};
  }
  taken_.emplace(free_from, wanted);
  return free_from;
}

Status Scratch::give_back(std::uint64_t at) {
  if (taken_.erase(at) == 1) return Done{};
  return Error{Code::bad_request, fmt::format("{:#x} was not taken from the scratch region", at)};
}

} // namespace kdbg::gdb
