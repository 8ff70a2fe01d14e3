#pragma once
/// Guest memory that its user has set aside for debuggers, handed out piece by piece. Knows no
/// packet.
#include "adapter/result.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <set>

namespace kdbg::gdb {

/// All of it, shared by all connections.
class Scratch {
public:
  /// Virtual addresses [at, at + size).
  Scratch(std::uint64_t at, std::uint64_t size) : at_(at), size_(size) {}
  /// The first free place of `size` bytes, in steps of 16 bytes from the region's start;
  /// no_free_slot when there is none.
  Result<std::uint64_t> take(std::uint64_t size);
  /// bad_request for what was not handed out.
  Status give_back(std::uint64_t at);

private:
  std::uint64_t at_, size_;
  std::map<std::uint64_t, std::uint64_t> taken_; ///< address to bytes
};

/// What one client has of it. It is free again when the client is gone, however that went.
class ScratchShare {
public:
  /// `whole`: null where there is none.
  explicit ScratchShare(std::shared_ptr<Scratch> whole) : whole_(std::move(whole)) {}
  ~ScratchShare();
  ScratchShare(const ScratchShare&) = delete;
  ScratchShare& operator=(const ScratchShare&) = delete;

  explicit operator bool() const { return whole_ != nullptr; }
  // Scratch's calls of these names, on what is this client's; not without a Scratch
  Result<std::uint64_t> take(std::uint64_t size);
  Status give_back(std::uint64_t at);

private:
  std::shared_ptr<Scratch> whole_;
  std::set<std::uint64_t> mine_;
};

} // namespace kdbg::gdb
