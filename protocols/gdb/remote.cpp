#include "protocols/gdb/remote.hpp"

#include "protocols/gdb/text.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace kdbg::gdb {
namespace {

Error odd(std::string_view packet, std::string_view answer) {
  constexpr std::size_t shown = 60;
  return {Code::closed,
          fmt::format("the server answers {} with \"{}\": is it a kvmdbg of this version?", packet,
                      answer.substr(0, shown))};
}

} // namespace

Result<std::string> Remote::receive_packet() {
  for (;;) {
    ByteView rest = ByteView(buffer_).subspan(used_);
    auto token = decoder_.next(rest);
    used_ = buffer_.size() - rest.size();
    if (!token) {
      buffer_ = TRY(wire_.receive());
      used_ = 0;
      continue;
    }
    if (token->kind != Token::Kind::packet) continue;
    if (acks_) TRY(wire_.send(bytes_of("+")));
    if (!token->checksum_ok) return Error{Code::closed, "a packet of the server is damaged"};
    return std::move(token->payload);
  }
}

Result<std::string> Remote::exchange(std::string_view packet) {
  TRY(wire_.send(bytes_of(frame(packet))));
  return receive_packet();
}

/// An answer that is neither empty nor an error.
Result<std::string> Remote::ask(std::string_view packet) {
  auto answer = exchange(packet);
  if (!answer) return answer;
  const std::string& text = *answer;
  if (text.starts_with("E.")) return Error{Code::bad_request, text.substr(2)};
  const bool error = text.size() == 3 && text.starts_with('E');
  if (text.empty() || error) return odd(packet, text);
  return answer;
}

Status Remote::open() {
  TRY(ask("qSupported:error-message+"));
  if (const auto answer = TRY(ask("QStartNoAckMode")); answer != "OK") {
    return odd("QStartNoAckMode", answer);
  }
  acks_ = false;
  const auto answer = TRY(ask("Qqemu.PhyMemMode:1"));
  return answer == "OK" ? Status(Done{}) : odd("Qqemu.PhyMemMode:1", answer);
}

Result<std::string> Remote::transfer(std::string_view annex) {
  constexpr std::size_t most = std::size_t{64} << 20; // a header is a few KiB
  std::string whole;
  while (whole.size() < most) {
    const std::string packet =
        fmt::format("qXfer:core:read:{}:{:x},{:x}", annex, whole.size(), max_payload);
    const std::string answer = TRY(ask(packet));
    whole += answer.substr(1);
    if (answer.starts_with('l')) return whole;
    if (!answer.starts_with('m') || answer.size() == 1) return odd(packet, answer);
  }
  return Error{Code::closed, fmt::format("the server's core {} does not end", annex)};
}

/// The annex of a header with the VMCOREINFO note, if the guest's memory has one.
Result<std::string> Remote::header_annex() {
  for (std::uint64_t from = 0;;) {
    const std::string packet = fmt::format("qCoreSearch:{:x}", from);
    const std::string answer = TRY(ask(packet));
    if (answer == "l") return std::string("header");
    Scanner scanner(std::string_view(answer).substr(1));
    const std::uint64_t place = TRY(scanner.hex("address"));
    if (answer.starts_with('f')) return fmt::format("header.{:x}", place);
    if (place <= from) return odd(packet, answer); // it would not end
    from = place;
  }
}

Result<Bytes> Remote::core_header() {
  const std::string annex = TRY(header_annex());
  const std::string header = TRY(transfer(annex));
  const ByteView bytes = bytes_of(header);
  return Bytes(bytes.begin(), bytes.end());
}

Result<std::string> Remote::stop_number() {
  return transfer("stop");
}

Result<Bytes> Remote::read_physical(std::uint64_t at, std::size_t length) {
  const std::string packet = fmt::format("x{:x},{:x}", at, std::min(length, max_payload));
  const std::string answer = TRY(ask(packet));
  if (!answer.starts_with('b') || answer.size() == 1 || answer.size() - 1 > length) {
    return odd(packet, answer);
  }
  const ByteView bytes = bytes_of(answer).subspan(1);
  return Bytes(bytes.begin(), bytes.end());
}

} // namespace kdbg::gdb
