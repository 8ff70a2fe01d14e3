#pragma once
/// gdb's packets through a server's WebSocket (`/rsp`), for whoever has a token of its run. Knows
/// no packets.
#include "adapter/result.hpp"

#include <memory>
#include <string>
#include <string_view>

namespace kdbg::dap {

class Tunnel {
public:
  /// `address` is as for `dial`; `token`, 64 hexadecimal digits, is sent in the upgrade. closed
  /// when the server does not take it within five seconds, with what it says.
  static Result<std::unique_ptr<Tunnel>> open(std::string_view address, std::string_view token);
  /// Both ends are closed.
  ~Tunnel();
  Tunnel(const Tunnel&) = delete;
  Tunnel& operator=(const Tunnel&) = delete;

  /// The near end, as if it had been dialled. The caller owns it; there is one.
  int take_socket();

private:
  struct Stream;
  explicit Tunnel(std::unique_ptr<Stream> stream);
  std::unique_ptr<Stream> stream_;
};

/// What a token's file holds. bad_request when it holds nothing, or cannot be read.
Result<std::string> read_token(const std::string& path);

} // namespace kdbg::dap
