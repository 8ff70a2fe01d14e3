#pragma once
/// The other end of RSP: what a program needs that copies a guest's memory from a kvmdbg. Knows no
/// socket. Never stops or moves the guest.
#include "adapter/result.hpp"
#include "adapter/types.hpp"
#include "protocols/gdb/codec.hpp"

#include <functional>

namespace kdbg::gdb {

class Remote {
public:
  /// How bytes get there and back; `receive` waits for at least one.
  struct Wire {
    std::function<Status(ByteView)> send;
    std::function<Result<Bytes>()> receive;
  };
  explicit Remote(Wire wire) : wire_(std::move(wire)) {}

  /// Once, before anything else: addresses are guest-physical from then on.
  Status open();
  /// See `render_core_header`.
  Result<Bytes> core_header();
  /// Changes whenever the guest has run.
  Result<std::string> stop_number();
  /// At least one byte; fewer than asked when a packet has no room for more.
  Result<Bytes> read_physical(std::uint64_t at, std::size_t length);

private:
  Result<std::string> exchange(std::string_view packet);
  Result<std::string> ask(std::string_view packet);
  Result<std::string> header_annex();
  Result<std::string> transfer(std::string_view annex);
  Result<std::string> receive_packet();

  Wire wire_;
  Decoder decoder_;
  Bytes buffer_;
  std::size_t used_ = 0; ///< of buffer_
  bool acks_ = true;
};

} // namespace kdbg::gdb
