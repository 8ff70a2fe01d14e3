#include "protocols/platform/front_end.hpp"

#include "protocols/gdb/text.hpp"

#include <fmt/format.h>

namespace kdbg::platform {

using gdb::Token;

std::unique_ptr<FrontEnd> open(Machines& machines, Host host, Sink sink) {
  return std::make_unique<PlatformFrontEnd>(machines, std::move(host), std::move(sink));
}

PlatformFrontEnd::PlatformFrontEnd(Machines& machines, Host host, Sink sink)
    : host_(std::move(host)),
      outbox_(std::move(sink)),
      desk_{.machines = machines,
            .host = host_,
            .answer_late =
                [this](const gdb::Answer& text) {
                  answer(text);
                  resume_waiting();
                },
            .relayed = {[this](std::string frame) { on_answered(std::move(frame)); },
                        [this](std::string frame) { on_heard(std::move(frame)); },
                        [this](std::string_view why) { on_lost(why); }}} {}

Status PlatformFrontEnd::receive(ByteView chunk) {
  while (auto token = decoder_.next(chunk)) {
    TRY(take(std::move(*token)));
    outbox_.flush();
  }
  return Done{};
}

/// Packets in their order, one after the other; what belongs to what was sent before, at once.
Status PlatformFrontEnd::take(Token token) {
  constexpr std::size_t most_waiting = 8; // a client waits for each answer
  const bool packet = token.kind == Token::Kind::packet || token.kind == Token::Kind::oversize;
  if (!busy_ || !packet) {
    handle(token);
    return Done{};
  }
  if (waiting_.size() == most_waiting) {
    return Error{Code::bad_request,
                 fmt::format("it has sent {} packets without waiting for an answer", most_waiting)};
  }
  waiting_.push_back(std::move(token));
  return Done{};
}

void PlatformFrontEnd::resume_waiting() {
  busy_ = false;
  while (!busy_ && !waiting_.empty()) {
    const Token token = std::move(waiting_.front());
    waiting_.pop_front();
    handle(token);
  }
  outbox_.flush();
}

void PlatformFrontEnd::handle(const Token& token) {
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
    if (desk_.attachment) desk_.attachment->interrupt();
    return;
  }
}

void PlatformFrontEnd::handle_packet(const Token& token) {
  if (!token.checksum_ok && outbox_.acks()) return outbox_.acknowledge(false);
  outbox_.on_packet();
  outbox_.acknowledge(true);
  if (token.kind == Token::Kind::oversize) {
    return answer(
        Error{Code::bad_request, fmt::format("packet is longer than {} bytes", gdb::max_payload)});
  }
  const Row* row = find_row(token.payload);
  if (row && row->role == Row::Role::agreed) desk_.agree(row->prefix, token.payload);
  if (desk_.attachment && !(row && row->role == Row::Role::always)) {
    return desk_.attachment->forward(token.payload);
  }
  answer_here(row, token.payload);
}

void PlatformFrontEnd::answer_here(const Row* row, std::string_view packet) {
  if (!row) return outbox_.send("");
  const auto text = row->handler(desk_, packet.substr(row->prefix.size()));
  busy_ = text && !*text;
  if (!busy_) answer(text);
  if (!desk_.acks) outbox_.stop_acks();
}

void PlatformFrontEnd::answer(const gdb::Answer& text) {
  if (!text) return outbox_.send(gdb::render_error(desk_.features, text.error()));
  // lldb does not expect runs in a platform's answers, and none is long
  if (*text) outbox_.send(**text, gdb::Runs::spelled_out);
}

void PlatformFrontEnd::on_answered(std::string frame) {
  outbox_.send_frame(std::move(frame));
  const bool attached = !desk_.attachment->over();
  log_attachment(attached ? "attached to" : "could not attach to");
  if (!attached) desk_.attachment.reset();
  resume_waiting();
}

void PlatformFrontEnd::on_heard(std::string frame) {
  outbox_.send_frame(std::move(frame));
  outbox_.flush();
  if (!desk_.attachment->over()) return;
  log_attachment("detached from");
  desk_.attachment.reset();
}

void PlatformFrontEnd::log_attachment(std::string_view what) {
  const MachineRecord& machine = desk_.attachment->machine();
  host_.log(fmt::format("{} machine {} ({})", what, machine.pid, machine.name));
}

void PlatformFrontEnd::on_lost(std::string_view why) {
  log_attachment(fmt::format("lost ({})", why));
  const auto lost = std::exchange(desk_.attachment, nullptr);
  const std::uint64_t pid = lost->machine().pid;
  if (lost->owes_stop()) {
    outbox_.send(desk_.tell_lost(pid));
  } else {
    if (lost->has_process()) desk_.lost = pid;
    if (lost->owes_answer()) answer(Error{Code::closed, fmt::format("machine {} is gone", pid)});
  }
  outbox_.flush();
  if (lost->attaching()) resume_waiting();
}

} // namespace kdbg::platform
