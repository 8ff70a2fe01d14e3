#include "protocols/gdb/front_end.hpp"

#include "protocols/gdb/jkvm/notify.hpp"
#include "protocols/gdb/resume.hpp"
#include "protocols/gdb/stop_reply.hpp"
#include "protocols/gdb/text.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace kdbg::gdb {
namespace {

bool is_reset(const Stop& stop) {
  return std::holds_alternative<AtEntry>(stop.vcpus.front().reasons.front());
}

} // namespace

RspFrontEnd::RspFrontEnd(Session& session, Sink sink, const Dialect& dialect, Settings settings)
    : outbox_(std::move(sink)),
      conversation_{.session = session,
                    .dialect = dialect,
                    .settings = std::move(settings),
                    .print = [this](std::string_view text) { print(text); },
                    .answer_late =
                        [this](const std::optional<std::string>& text) {
                          if (text) outbox_.send(*text);
                          flush();
                        }} {}

Status RspFrontEnd::receive(ByteView chunk) {
  while (auto token = decoder_.next(chunk)) {
    note(*token);
    answering_ = true; // what happens meanwhile is told behind the answer
    handle(*token);
    answering_ = false;
    flush();
  }
  return Done{};
}

void RspFrontEnd::handle(const Token& token) {
  switch (token.kind) {
  case Token::Kind::packet:
  case Token::Kind::oversize:
    return handle_packet(token);
  case Token::Kind::notification:
    return;
  case Token::Kind::ack:
    return outbox_.on_ack();
  case Token::Kind::nak:
    return outbox_.on_nak();
  case Token::Kind::interrupt:
    return interrupt(conversation_);
  }
}

void RspFrontEnd::handle_packet(const Token& token) {
  if (!token.checksum_ok && outbox_.acks()) return outbox_.acknowledge(false);
  outbox_.on_packet();
  outbox_.acknowledge(true);
  if (token.kind == Token::Kind::oversize) {
    const Error error{Code::bad_request,
                      fmt::format("packet is longer than {} bytes", max_payload)};
    return outbox_.send(render_error(conversation_.features, error));
  }
  const Row* row = find_row(conversation_.dialect.tables, token.payload);
  if (!row) return outbox_.send("");
  const auto text = answer(*row, token.payload);
  if (!conversation_.acks) outbox_.stop_acks();
  const bool binary = row->reply == Row::Reply::binary;
  if (text) outbox_.send(*text, binary ? Runs::spelled_out : Runs::shortened);
}

std::optional<std::string> RspFrontEnd::answer(const Row& row, std::string_view packet) {
  auto text = row.handler(conversation_, packet.substr(row.prefix.size()));
  if (!text) return render_error(conversation_.features, text.error());
  return *std::move(text);
}

void RspFrontEnd::on_event(const Event& event) {
  const auto text = jkvm::notification(conversation_.subscribed, event, conversation_.session);
  if (text) outbox_.notify(*text);
  take_event(event);
  if (!answering_) flush();
}

void RspFrontEnd::take_event(const Event& event) {
  if (const auto* gone = std::get_if<Gone>(&event)) conversation_.gone = gone->status;
  if (const auto* line = std::get_if<LogLine>(&event)) return print_log(*line);
  const auto* stopped = std::get_if<Stopped>(&event);
  // another client's run, or a reset: what happened before is past
  if ((stopped && is_reset(stopped->stop)) || std::holds_alternative<Resumed>(event)) {
    conversation_.untold.clear();
  }
  if (!conversation_.stop_owed || (!stopped && !conversation_.gone)) return;
  // All-stop: one stop reply for each resume, and none that nobody waits for.
  conversation_.stop_owed = false;
  if (stopped) print_caught(stopped->stop);
  outbox_.send(stopped ? conversation_.tell(stopped->stop) : render_exit(conversation_));
}

/// A stop reply has no word for a catchpoint, so the client's user gets a line.
void RspFrontEnd::print_caught(const Stop& stop) {
  for (const VcpuStop& vcpu : stop.vcpus) {
    for (const StopReason& reason : vcpu.reasons) {
      if (!std::holds_alternative<Caught>(reason)) continue;
      print(fmt::format("vCPU {}: {}\n", index(vcpu.vcpu), describe(reason)));
    }
  }
}

/// O packets mean something only to a client that waits for a stop.
void RspFrontEnd::print_log(const LogLine& line) {
  if (!conversation_.stop_owed || jkvm::wants_log(conversation_.subscribed)) return;
  if (line.dropped != 0) {
    print(fmt::format("({} lines of {} left out)\n", line.dropped, describe(line.point)));
  }
  if (!line.text.empty()) print(line.text + "\n");
}

void RspFrontEnd::print(std::string_view text) {
  constexpr std::size_t room = (max_payload - 1) / 2;
  for (; !text.empty(); text.remove_prefix(std::min(room, text.size()))) {
    outbox_.send("O" + hex_of(text.substr(0, room)));
  }
}

void RspFrontEnd::flush() {
  Trace& trace = conversation_.session.trace();
  const std::string& due = outbox_.due();
  if (trace.on() && !due.empty()) trace.bytes(conversation_.session.id(), "<-", bytes_of(due));
  outbox_.flush();
}

void RspFrontEnd::note(const Token& token) {
  Trace& trace = conversation_.session.trace();
  if (!trace.on()) return;
  std::string raw;
  switch (token.kind) {
  case Token::Kind::ack:
    raw = "+";
    break;
  case Token::Kind::nak:
    raw = "-";
    break;
  case Token::Kind::interrupt:
    raw = "\x03";
    break;
  case Token::Kind::oversize:
    return trace.note("a packet beyond the packet size was dropped");
  case Token::Kind::notification:
  case Token::Kind::packet:
    raw = frame(token.payload);
    raw.replace(raw.size() - 2, 2, token.checksum);
    if (token.kind == Token::Kind::notification) raw.front() = '%';
    break;
  }
  trace.bytes(conversation_.session.id(), "->", bytes_of(raw));
}

} // namespace kdbg::gdb
