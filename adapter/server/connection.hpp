#pragma once
/// One client of a machine: its channel, its front end, and a clean leave on every way out. Knows
/// no protocol but by what its first byte says.
#include "adapter/server/channel.hpp"
#include "adapter/session.hpp"

namespace kdbg::server {

/// What a connection serves; outlives it.
struct Machine {
  Target& target;
  Arbiter& arbiter;
  Trace& trace;
  Dumps* dumps = nullptr;
};

class Connection final : public Channel {
public:
  /// Told when the client is known, and when it has left (`closed`).
  struct Observer {
    Log log;
    std::function<void()> joined;
    std::function<void(const std::shared_ptr<Connection>&)> closed;
  };

  /// `protocols` must outlive the connection. `name` is the peer's, for the log. `role`: what the
  /// client may do.
  Connection(std::unique_ptr<Stream> stream,
             std::string name,
             Role role,
             Machine machine,
             std::span<const Protocol> protocols,
             const Settings& settings,
             Observer observer);
  /// `said`: what the client has said already.
  void start(std::string_view said = {});

private:
  Status received(ByteView bytes) override;
  void left(std::string_view why) override;
  void closed() override;
  bool open_front_end(std::byte first);

  std::string name_;
  Role role_;
  std::span<const Protocol> protocols_;
  Observer observer_;
  Session session_;
  std::unique_ptr<FrontEnd> front_end_; // null until the first byte
  bool joined_ = false;
};

} // namespace kdbg::server
