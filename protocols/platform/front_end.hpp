#pragma once
/// One connection to a platform: packets answered here, or carried to the machine that is attached.
/// Knows no single packet.
#include "protocols/gdb/codec.hpp"
#include "protocols/gdb/outbox.hpp"
#include "protocols/platform/desk.hpp"

#include <deque>

namespace kdbg::platform {

class PlatformFrontEnd final : public FrontEnd {
public:
  PlatformFrontEnd(Machines& machines, Host host, Sink sink);
  Status receive(ByteView chunk) override;
  void on_event(const Event&) override {} // no machine is served here

private:
  Status take(gdb::Token token);
  void handle(const gdb::Token& token);
  void handle_packet(const gdb::Token& token);
  void answer_here(const Row* row, std::string_view packet);
  void answer(const gdb::Answer& text);
  void resume_waiting();
  void on_answered(std::string frame);
  void on_heard(std::string frame);
  void on_lost(std::string_view why);
  void log_attachment(std::string_view what);

  const Host host_;
  gdb::Decoder decoder_;
  gdb::Outbox outbox_;
  Desk desk_;
  bool busy_ = false; ///< a packet's answer is on its way
  std::deque<gdb::Token> waiting_;
};

} // namespace kdbg::platform
