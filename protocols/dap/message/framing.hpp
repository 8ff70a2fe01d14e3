#pragma once
/// Content-Length framing: bytes to messages, a message to bytes. Knows no JSON and no socket.
#include "adapter/result.hpp"

#include <string>
#include <string_view>
#include <variant>

namespace kdbg::dap {

/// Largest message that a client may send, in bytes.
inline constexpr std::size_t max_message = std::size_t{1} << 20;

class Unframer {
public:
  void feed(std::string_view bytes) { buffer_ += bytes; }
  struct Incomplete {};
  /// The next whole message. An Error when what came is no frame, or one beyond max_message: where
  /// the next one begins is not known then, so the connection cannot go on.
  std::variant<std::string, Incomplete, Error> next();
  /// Whether bytes of an unfinished frame are here.
  bool pending() const { return !buffer_.empty(); }

private:
  std::string buffer_;
};

std::string frame(std::string_view message);

} // namespace kdbg::dap
