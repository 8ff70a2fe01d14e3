#pragma once
/// Whole messages to and from the client, however they are framed. One thread reads, one writes.
#include "adapter/result.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace kdbg::dap {

class Channel {
public:
  virtual ~Channel() = default;
  /// Waits for the next message; nothing when the client has left. An Error ends the connection.
  virtual Result<std::optional<std::string>> read() = 0;
  /// Waits until the message is on its way.
  virtual Status write(std::string_view message) = 0;
  /// The same for a message that needs no waiting; false, and nothing is done, for any other.
  virtual bool write_now(std::string_view /*message*/) { return false; }
  /// Ends a `read` and a `write` that wait; from any thread.
  virtual void shut() = 0;
};

} // namespace kdbg::dap
