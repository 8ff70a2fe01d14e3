#pragma once
/// A WebSocket at the server's end, and frames for a connection that somebody else has upgraded.
/// The one place that has the library's WebSocket.
#include "adapter/server/stream.hpp"

#include <chrono>

namespace kdbg::server {

/// RFC 6455 7.4.1.
enum class CloseCode : std::uint16_t {
  going_away = 1001,
  unsupported_data = 1003,
  internal_error = 1011,
  try_again_later = 1013,
};

/// Answers an upgrade that has been checked: `request` is its whole head. What comes of it carries
/// bytes in binary frames; a text frame closes it. One message has at most 1 MiB.
void accept_websocket(Socket socket,
                      std::string request,
                      std::chrono::milliseconds patience,
                      std::function<void(Result<std::unique_ptr<Stream>> stream)> done);
/// The same, when there is only something to say: the socket, to which frames may be written.
void accept_upgrade(Socket socket,
                    std::string request,
                    std::chrono::milliseconds patience,
                    std::function<void(Result<Socket> socket)> done);

/// A server's frame with one text message.
std::string text_frame(std::string_view text);
/// `reason`: what is beyond 123 bytes is cut off.
std::string close_frame(CloseCode code, std::string_view reason);

} // namespace kdbg::server
