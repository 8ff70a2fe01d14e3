#include "protocols/gdb/registers.hpp"

#include "adapter/commands.hpp"
#include "protocols/gdb/text.hpp"

#include <fmt/format.h>

namespace kdbg::gdb {
namespace {

std::size_t digits(const RegisterInfo& info) {
  return info.bits / 4U;
}

/// As read_value, but x for every digit of what this host cannot read.
Result<std::string> read_shown(const Conversation& c, VcpuId vcpu, RegisterId id) {
  auto value = read_value(c, vcpu, id);
  if (!value && value.error().code == Code::unsupported) {
    return std::string(digits(c.target().arch().registers[index(id)]), 'x');
  }
  return value;
}

Result<RegisterId> parse_number(const Conversation& c, Scanner& scanner) {
  const std::uint64_t number = TRY(scanner.hex("register number"));
  const std::size_t count = c.target().arch().registers.size();
  if (number < count) return static_cast<RegisterId>(number);
  return Error{Code::bad_request, fmt::format("no register {}: there are {}", number, count)};
}

/// gdb knows by its description what is in `g` and asks for the rest by `p`; lldb, told to use `g`,
/// expects every register there.
bool in_g(const Conversation& c, const RegisterInfo& info) {
  return info.in_g || c.features.lldb;
}

Answer read_all(Conversation& c, std::string_view) {
  const auto registers = c.target().arch().registers;
  std::vector<RegisterId> ids;
  std::size_t length = 0;
  for (std::size_t i = 0; i < registers.size(); ++i) {
    if (!in_g(c, registers[i])) continue;
    ids.push_back(static_cast<RegisterId>(i));
    length += digits(registers[i]);
  }
  const auto values = TRY(c.session.execute(ReadRegisters{c.general, ids}));
  std::string text;
  text.reserve(length);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (values[i]) {
      append_hex(text, *values[i]);
    } else if (values[i].error().code == Code::unsupported) {
      text.append(digits(registers[index(ids[i])]), 'x');
    } else {
      return values[i].error();
    }
  }
  return say(std::move(text));
}

/// One register's part of a G packet.
struct Change {
  RegisterId id;
  std::string_view value; // hex
};

/// Only what differs is written: many registers have side effects, or cannot be written at all.
Status write_changed(Conversation& c, const Change& change) {
  const std::string present = TRY(read_shown(c, c.general, change.id));
  const bool unavailable = change.value.find_first_not_of('x') == std::string_view::npos;
  if (unavailable || change.value == present) return Done{};
  const Bytes value = TRY(from_hex(change.value));
  return c.write_register(c.general, change.id, value);
}

Result<std::vector<Change>> split(const Conversation& c, std::string_view text) {
  const ArchInfo& arch = c.target().arch();
  std::vector<Change> changes;
  const std::size_t total = text.size();
  for (std::size_t i = 0; i < arch.registers.size(); ++i) {
    const RegisterInfo& info = arch.registers[i];
    if (!in_g(c, info)) continue;
    if (text.size() < digits(info)) {
      return Error{Code::bad_request, fmt::format("{} digits end before {}", total, info.name)};
    }
    const std::string_view value = text.substr(0, digits(info));
    if (value.find_first_not_of('x') != std::string_view::npos) TRY(from_hex(value));
    changes.push_back({static_cast<RegisterId>(i), value});
    text.remove_prefix(value.size());
  }
  if (!text.empty()) {
    return Error{Code::bad_request, fmt::format("{} digits too many for G", text.size())};
  }
  return changes;
}

Answer write_all(Conversation& c, std::string_view arguments) {
  const auto changes = TRY(split(c, arguments));
  Status outcome = Done{};
  for (const Change& change : changes) {
    auto written = write_changed(c, change);
    if (!written && outcome) outcome = written;
  }
  if (!outcome) return outcome.error();
  return say_ok();
}

Answer read_one(Conversation& c, std::string_view arguments) {
  Scanner scanner(arguments);
  const RegisterId id = TRY(parse_number(c, scanner));
  TRY(scanner.finish());
  return say(TRY(read_shown(c, c.general, id)));
}

Answer write_one(Conversation& c, std::string_view arguments) {
  Scanner scanner(arguments);
  const RegisterId id = TRY(parse_number(c, scanner));
  TRY(scanner.expect('='));
  const RegisterInfo& info = c.target().arch().registers[index(id)];
  if (scanner.rest().size() != digits(info)) {
    return Error{Code::bad_request, fmt::format("{} has {} hex digits, not {}", info.name,
                                                digits(info), scanner.rest().size())};
  }
  const Bytes value = TRY(from_hex(scanner.rest()));
  TRY(c.write_register(c.general, id, value));
  return say_ok();
}

constexpr Row rows[] = {
    {"g", Row::Match::exact, &read_all},
    {"G", Row::Match::prefix, &write_all},
    {"p", Row::Match::prefix, &read_one},
    {"P", Row::Match::prefix, &write_one},
};

} // namespace

Table register_packets() {
  return rows;
}

Result<std::string> read_value(const Conversation& conversation, VcpuId vcpu, RegisterId id) {
  return to_hex(TRY(conversation.session.execute(ReadRegister{vcpu, id})));
}

} // namespace kdbg::gdb
