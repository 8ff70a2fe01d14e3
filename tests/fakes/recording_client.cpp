#include "tests/fakes/recording_client.hpp"

#include "protocols/gdb/text.hpp"
#include "protocols/lldb/protocol.hpp"

#include <fmt/format.h>
#include <stdexcept>

namespace kdbg::fakes {

std::string spell_out(std::string_view stream) {
  std::string out;
  while (!stream.empty()) {
    if (stream.front() != '$') {
      out += stream.front();
      stream.remove_prefix(1);
      continue;
    }
    const std::size_t end = stream.find('#');
    if (end == std::string_view::npos || end + 3 > stream.size()) throw std::runtime_error("cut");
    unsigned sum = 0;
    std::string payload;
    for (std::size_t i = 1; i < end; ++i) {
      sum += static_cast<unsigned char>(stream[i]);
      if (stream[i] != '*') {
        payload += stream[i];
        continue;
      }
      if (payload.empty() || ++i == end || stream[i] < ' ') throw std::runtime_error("bad run");
      sum += static_cast<unsigned char>(stream[i]);
      payload.append(static_cast<std::size_t>(stream[i] - 29), payload.back());
    }
    if (fmt::format("{:02x}", sum & 0xff) != stream.substr(end + 1, 2)) {
      throw std::runtime_error("bad sum");
    }
    sum = 0;
    for (char c : payload) {
      sum += static_cast<unsigned char>(c);
    }
    out += fmt::format("${}#{:02x}", payload, sum & 0xff);
    stream.remove_prefix(end + 3);
  }
  return out;
}

GdbClient::GdbClient(Machine& machine, gdb::Settings settings, bool acks)
    : session(machine.target, machine.arbiter, machine.trace),
      front_end(
          session,
          [this](std::string bytes) { sent.push_back(std::move(bytes)); },
          lldb::dialect(),
          std::move(settings)) {
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
  const std::string all = spell_out(raw());
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
