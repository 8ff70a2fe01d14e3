#pragma once
/// One JSON message per text frame over a WebSocket, whose upgrade request somebody else has read
/// and checked.
#include "protocols/dap/wire/channel.hpp"

#include <memory>

namespace kdbg::dap {

class WebChannel : public Channel {
public:
  /// Owns `socket`. `begun`: what has been read of it, from the first byte of the HTTP request on.
  /// The subprotocol is dap.v1 where the client offers it. bad_request when it is no upgrade.
  static Result<std::unique_ptr<WebChannel>> accept(int socket, std::string_view begun);
  // NOLINTNEXTLINE(bugprone-exception-escape): for want of memory alone
  ~WebChannel() override;
  WebChannel(const WebChannel&) = delete;
  WebChannel& operator=(const WebChannel&) = delete;

  /// A binary frame, invalid UTF-8 and a message that is too large end the connection with their
  /// close codes.
  Result<std::optional<std::string>> read() override;
  Status write(std::string_view message) override;
  void shut() override;

private:
  struct Stream;
  explicit WebChannel(std::unique_ptr<Stream> stream);
  std::unique_ptr<Stream> stream_;
};

} // namespace kdbg::dap
