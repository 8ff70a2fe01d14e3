#include "protocols/gdb/scratch.hpp"

#include <fmt/format.h>
#include <tuple>

namespace kdbg::gdb {

namespace {

constexpr std::uint64_t alignment = 16;

Error not_taken(std::uint64_t at) {
  return {Code::bad_request, fmt::format("{:#x} was not taken from the scratch region", at)};
}

} // namespace

Result<std::uint64_t> Scratch::take(std::uint64_t size) {
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
  return not_taken(at);
}

ScratchShare::~ScratchShare() {
  for (const std::uint64_t at : mine_) {
    std::ignore = whole_->give_back(at); // it was taken, so it goes back
  }
}

Result<std::uint64_t> ScratchShare::take(std::uint64_t size) {
  const std::uint64_t at = TRY(whole_->take(size));
  mine_.insert(at);
  return at;
}

Status ScratchShare::give_back(std::uint64_t at) {
  if (mine_.erase(at) == 0) return not_taken(at);
  return whole_->give_back(at);
}

} // namespace kdbg::gdb
