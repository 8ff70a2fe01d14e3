#pragma once
/// Packets on their way out, with acknowledgements while they are in use. Knows no packet.
#include "adapter/front_end.hpp"
#include "protocols/gdb/codec.hpp"

#include <deque>

namespace kdbg::gdb {

/// While acknowledgements are on, one packet is under way at a time, so that a '-' can only mean
/// that one. A client that sends its next packet has taken whatever came before.
class Outbox {
public:
  explicit Outbox(Sink sink) : sink_(std::move(sink)) {}

  void send(std::string_view payload, Runs runs = Runs::shortened);
  /// A frame that somebody else has made; a notification among them is not acknowledged.
  void send_frame(std::string framed);
  /// Of what nobody asked for: %…#cs, which is not acknowledged. It leaves with the next flush,
  /// behind what is due by then.
  void notify(std::string_view payload);
  /// '+' or '-' for a packet received; nothing once acknowledgements are off.
  void acknowledge(bool good);
  bool acks() const { return mode_ != Mode::off; }
  /// Takes effect when what is under way has been taken.
  void stop_acks();

  void on_ack();
  void on_nak();
  /// A good packet came in: everything sent before it is taken.
  void on_packet();

  /// What the next flush sends.
  const std::string& due();
  /// Hands it to the sink in one call.
  void flush();

private:
  enum class Mode : std::uint8_t { on, leaving, off };
  void settle();

  Sink sink_;
  Mode mode_ = Mode::on;
  std::string due_, notes_;
  std::deque<std::string> waiting_; // the first one is under way
  unsigned refusals_ = 0;           // of the first one
};

} // namespace kdbg::gdb
