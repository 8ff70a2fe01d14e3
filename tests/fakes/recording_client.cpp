#include "tests/fakes/recording_client.hpp"

#include "protocols/gdb/text.hpp"

namespace kdbg::fakes {

GdbClient::GdbClient(Machine& machine, gdb::KillPolicy kill_policy, bool acks)
    : session(machine.target, machine.arbiter, machine.trace),
      front_end(
          session,
          [this](ByteView bytes) { sent.emplace_back(gdb::text_of(bytes)); },
          gdb::dialect(),
          kill_policy) {
  session.join(front_end);
  if (acks) return;
  feed(gdb::frame("QStartNoAckMode") + "+");
  sent.clear();
}

void GdbClient::feed(std::string_view bytes) {
  auto received = front_end.receive(gdb::bytes_of(bytes));
  (void)received;
}

std::string GdbClient::ask(std::string_view payload) {
  feed(gdb::frame(payload));
  return heard();
}

std::string GdbClient::raw() {
  std::string all;
  for (const std::string& piece : sent) {
    all += piece;
  }
  sent.clear();
  return all;
}

std::string GdbClient::heard() {
  const std::string all = raw();
  std::string text;
  gdb::Decoder decoder;
  ByteView bytes = gdb::bytes_of(all);
  while (auto token = decoder.next(bytes)) {
    if (!text.empty()) text += '|';
    switch (token->kind) {
    case gdb::Token::Kind::ack:
      text += '+';
      break;
    case gdb::Token::Kind::nak:
      text += '-';
      break;
    default:
      text += token->checksum_ok ? token->payload : "bad checksum";
      break;
    }
  }
  return text;
}

} // namespace kdbg::fakes
