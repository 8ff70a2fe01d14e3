#include "protocols/gdb/symbols.hpp"

#include "protocols/gdb/text.hpp"

#include <fmt/format.h>

namespace kdbg::gdb {
namespace {

// Linux's version and first task. Each costs a packet at every connect.
constexpr std::string_view wanted[] = {"linux_banner", "init_task"};

/// The next question, or OK when there is none. A client asks on until it hears that.
Answer ask(Conversation& c) {
  if (c.symbols_asked == std::size(wanted)) return say_ok();
  return say("qSymbol:" + hex_of(wanted[c.symbols_asked]));
}

/// The client has (more) symbols: all that it said before may be out of date.
Answer begin(Conversation& c, std::string_view) {
  c.symbols.clear();
  c.symbols_asked = c.features.lldb ? std::size(wanted) : 0; // lldb would be asked at every connect
  return ask(c);
}

/// VALUE:NAME, or :NAME when the client does not know it.
Answer learn(Conversation& c, std::string_view arguments) {
  Scanner scanner(arguments);
  std::optional<std::uint64_t> value;
  if (!scanner.take(':')) {
    value = TRY(scanner.hex("symbol value"));
    TRY(scanner.expect(':'));
  }
  const Bytes name = TRY(from_hex(scanner.rest()));
  if (c.symbols_asked == std::size(wanted) || text_of(name) != wanted[c.symbols_asked]) {
    return Error{Code::bad_request, "a symbol that was not asked for"};
  }
  if (value) c.symbols[std::string(text_of(name))] = *value;
  ++c.symbols_asked;
  return ask(c);
}

constexpr Row rows[] = {
    {"qSymbol::", Row::Match::exact, &begin},
    {"qSymbol:", Row::Match::prefix, &learn},
};

} // namespace

Table symbol_packets() {
  return rows;
}

std::span<const std::string_view> wanted_symbols() {
  return wanted;
}

} // namespace kdbg::gdb
