#include "protocols/lldb/registers.hpp"

#include "adapter/commands.hpp"
#include "protocols/gdb/registers.hpp"
#include "protocols/gdb/text.hpp"

#include <charconv>
#include <fmt/format.h>

namespace kdbg::lldb {
namespace {

using gdb::Answer, gdb::Conversation, gdb::Row, gdb::say, gdb::say_ok;

constexpr std::string_view suffix = ";thread:";
/// A client may forget to ask for them back; lldb saves once for each expression it runs.
constexpr std::size_t most_saved = 64;

/// Runs `handler` with what stands before the suffix, on the vCPU that it names. The selected one
/// stays what it was.
Answer on_thread(Conversation& c, std::string_view arguments, gdb::Handler handler) {
  const std::size_t at = arguments.rfind(suffix);
  if (at == std::string_view::npos) return handler(c, arguments);
  std::string_view id = arguments.substr(at + suffix.size());
  if (id.ends_with(';')) id.remove_suffix(1);
  const gdb::ThreadRef thread = TRY(gdb::parse_thread(c, id));
  const VcpuId before = c.general;
  if (thread.kind == gdb::ThreadRef::Kind::one) c.general = thread.vcpu;
  Answer answer = handler(c, arguments.substr(0, at));
  c.general = before;
  return answer;
}

/// gdb's packet of that letter, with a thread of its own.
template <char letter>
Answer plain(Conversation& c, std::string_view arguments) {
  return on_thread(c, arguments, [](Conversation& conversation, std::string_view rest) {
    const std::string packet = letter + std::string(rest);
    const gdb::Table table[] = {gdb::register_packets()};
    const Row* row = gdb::find_row(table, packet);
    return row ? row->handler(conversation, std::string_view(packet).substr(1))
               : gdb::say_unknown();
  });
}

Answer save(Conversation& c, std::string_view) {
  if (c.saved.size() == most_saved) {
    return Error{Code::bad_request, fmt::format("{} register states are saved already: restore "
                                                "one first",
                                                most_saved)};
  }
  const auto registers = c.target().arch().registers;
  std::vector<RegisterId> ids;
  for (std::size_t i = 0; i < registers.size(); ++i) {
    if (registers[i].in_g) ids.push_back(static_cast<RegisterId>(i));
  }
  auto values = TRY(c.session.execute(ReadRegisters{c.general, ids}));
  gdb::SavedRegisters state{c.general, {}};
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (values[i]) {
      state.values.emplace_back(ids[i], *std::move(values[i]));
    } else if (values[i].error().code != Code::unsupported) {
      return values[i].error();
    }
  }
  const std::uint64_t number = c.saved.empty() ? 1 : c.saved.rbegin()->first + 1;
  c.saved.emplace(number, std::move(state));
  return say(fmt::format("{}", number));
}

/// Decimal, as lldb takes it and sends it back.
Result<std::uint64_t> parse_number(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc{} && end == text.data() + text.size()) return number;
  return Error{Code::bad_request, fmt::format("\"{}\" is no number of saved registers", text)};
}

/// Only what differs is written: many registers have side effects.
Answer restore(Conversation& c, std::string_view arguments) {
  const std::uint64_t number = TRY(parse_number(arguments));
  const auto found = c.saved.find(number);
  if (found == c.saved.end()) {
    return Error{Code::bad_request, fmt::format("no registers are saved under {}", number)};
  }
  const gdb::SavedRegisters& state = found->second;
  for (const auto& [id, value] : state.values) {
    if (TRY(c.session.execute(ReadRegister{state.vcpu, id})) == value) continue;
    TRY(c.write_register(state.vcpu, id, value));
  }
  c.saved.erase(found);
  return say_ok();
}

Answer save_of(Conversation& c, std::string_view arguments) {
  return on_thread(c, arguments, &save);
}
Answer restore_of(Conversation& c, std::string_view arguments) {
  return on_thread(c, arguments, &restore);
}

constexpr Row rows[] = {
    {"p", Row::Match::prefix, &plain<'p'>},
    {"P", Row::Match::prefix, &plain<'P'>},
    {"g", Row::Match::prefix, &plain<'g'>},
    {"G", Row::Match::prefix, &plain<'G'>},
    {"QSaveRegisterState", Row::Match::prefix, &save_of},
    {"QRestoreRegisterState:", Row::Match::prefix, &restore_of},
};

} // namespace

gdb::Table register_packets() {
  return rows;
}

} // namespace kdbg::lldb
