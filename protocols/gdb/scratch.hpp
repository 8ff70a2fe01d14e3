#pragma once
/// Guest memory that its user has set aside for debuggers, handed out piece by piece. Knows no
/// packet and no client: shared by all connections.
#include "adapter/result.hpp"

#include <cstdint>
#include <map>

namespace kdbg::gdb {

class Scratch {
public:
  /// Virtual addresses [at, at + size).
  Scratch(std::uint64_t at, std::uint64_t size) : at_(at), size_(size) {}
  /// The first free place of `size` bytes, 16-byte aligned; no_free_slot when there is none.
  Result<std::uint64_t> take(std::uint64_t size);
  /// bad_request for what was not handed out.
  Status give_back(std::uint64_t at);

private:
  std::uint64_t at_, size_;
  std::map<std::uint64_t, std::uint64_t> taken_; ///< address to bytes
};

} // namespace kdbg::gdb
