#include "protocols/gdb/memory.hpp"

#include "adapter/commands.hpp"
#include "protocols/gdb/codec.hpp"
#include "protocols/gdb/conversation.hpp"
#include "protocols/gdb/range.hpp"

#include <fmt/format.h>

namespace kdbg::gdb {
namespace {

/// At most `limit` bytes: a short answer is allowed, so what does not fit a packet is left out.
Result<Bytes> read(Conversation& c, const Range& range, std::size_t limit) {
  const std::uint64_t length = std::min<std::uint64_t>(range.clipped().length, limit);
  if (length == 0) return Bytes();
  return c.session.execute(
      ReadMemory{c.general, c.address(range.at), static_cast<std::size_t>(length)});
}

Answer read_hex(Conversation& c, std::string_view arguments) {
  Scanner scanner(arguments);
  const Range range = TRY(parse_range(scanner));
  TRY(scanner.finish());
  return say(to_hex(TRY(read(c, range, max_payload / 2))));
}

/// Two dialects: gdb 16 and LLDB 20 read a 'b' before the data; LLDB 19 reads bare data and asks
/// for it by a probe that nobody else sends.
Answer read_binary(Conversation& c, std::string_view arguments) {
  if (arguments == "0,0") {
    c.bare_x = true;
    return say_ok();
  }
  Scanner scanner(arguments);
  const Range range = TRY(parse_range(scanner));
  TRY(scanner.finish());
  if (c.bare_x && range.length == 0) return say_ok();
  const Bytes data = TRY(read(c, range, max_payload));
  std::string text = c.bare_x ? "" : "b";
  text += fit(text_of(data), max_payload - text.size());
  return say(std::move(text));
}

Answer write(Conversation& c, const Range& range, ByteView data) {
  if (data.size() != range.length) {
    return Error{Code::bad_request,
                 fmt::format("{} bytes announced, {} given", range.length, data.size())};
  }
  if (data.empty()) return say_ok(); // gdb asks so whether X works
  if (range.wraps()) {
    return Error{Code::memory_fault, fmt::format("{} bytes at {:#x} go beyond the address space",
                                                 data.size(), range.at)};
  }
  TRY(c.session.execute(WriteMemory{c.general, c.address(range.at), data}));
  return say_ok();
}

Answer write_hex(Conversation& c, std::string_view arguments) {
  Scanner scanner(arguments);
  const Range range = TRY(parse_range(scanner));
  TRY(scanner.expect(':'));
  const Bytes data = TRY(from_hex(scanner.rest()));
  return write(c, range, data);
}

Answer write_binary(Conversation& c, std::string_view arguments) {
  Scanner scanner(arguments);
  const Range range = TRY(parse_range(scanner));
  TRY(scanner.expect(':'));
  return write(c, range, bytes_of(scanner.rest()));
}

/// QEMU's packets, which scripts send by hand. Here they concern this client alone.
Answer show_physical(Conversation& c, std::string_view) {
  return say(c.physical ? "1" : "0");
}

Answer set_physical(Conversation& c, std::string_view arguments) {
  if (arguments != "0" && arguments != "1") return Error{Code::bad_request, "PhyMemMode is 0 or 1"};
  c.physical = arguments == "1";
  return say_ok();
}

constexpr Row rows[] = {
    {"m", Row::Match::prefix, &read_hex},
    {"M", Row::Match::prefix, &write_hex},
    {"x", Row::Match::prefix, &read_binary, Row::Reply::binary},
    {"X", Row::Match::prefix, &write_binary},
    {"qqemu.PhyMemMode", Row::Match::exact, &show_physical},
    {"Qqemu.PhyMemMode:", Row::Match::prefix, &set_physical},
};

} // namespace

Table memory_packets() {
  return rows;
}

} // namespace kdbg::gdb
