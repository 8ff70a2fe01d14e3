#pragma once
/// What a protocol must be: bytes in, bytes out, events in. No socket, no thread.
#include "adapter/result.hpp"
#include "adapter/stop.hpp"

#include <functional>
#include <memory>

namespace kdbg {

class Session;

/// One connection's protocol state. Lives on the strand.
class FrontEnd {
public:
  virtual ~FrontEnd() = default;
  /// Any chunking of the stream. An error closes the connection.
  virtual Status receive(ByteView chunk) = 0;
  virtual void on_event(const Event& event) = 0;
};

/// Takes bytes to send; one call is one write.
using Sink = std::function<void(std::string bytes)>;

/// What a protocols/<name>/ folder exports.
struct Protocol {
  std::string_view name;           ///< "gdb": also the word on the command line
  bool (*speaks)(std::byte first); ///< does a client of it begin like this?
  std::function<std::unique_ptr<FrontEnd>(Session& session, Sink sink)> open;
  /// A client that may act, and that others and the log are told of; else it looks, and soon goes.
  bool joins = true;
};

} // namespace kdbg
