#pragma once
/// One RSP connection: tokens in, table lookup, answers out, and a stop reply when one is owed.
/// Knows no single packet.
#include "protocols/gdb/codec.hpp"
#include "protocols/gdb/conversation.hpp"
#include "protocols/gdb/outbox.hpp"

namespace kdbg::gdb {

/// Plain RSP.
const Dialect& dialect();

class RspFrontEnd final : public FrontEnd {
public:
  RspFrontEnd(Session& session, Sink sink, const Dialect& dialect, Settings settings);
  Status receive(ByteView chunk) override;
  void on_event(const Event& event) override;

private:
  void take_event(const Event& event);
  void handle(const Token& token);
  void handle_packet(const Token& token);
  std::optional<std::string> answer(const Row& row, std::string_view packet);
  void print(std::string_view text);
  void print_caught(const Stop& stop);
  void print_log(const LogLine& line);
  void flush();
  void note(const Token& token);

  Decoder decoder_;
  Outbox outbox_;
  Conversation conversation_;
  bool answering_ = false;
};

} // namespace kdbg::gdb
