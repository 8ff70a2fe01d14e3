#include "protocols/platform/rows.hpp"

#include "protocols/gdb/text.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <regex>

namespace kdbg::platform {
namespace {

Result<std::string> parse_text(std::string_view digits, std::string_view what) {
  constexpr std::size_t longest = 512; // bytes
  if (digits.size() > 2 * longest) {
    return Error{Code::bad_request, fmt::format("{} has more than {} bytes", what, longest)};
  }
  const Bytes bytes = TRY(gdb::from_hex(digits));
  return std::string(gdb::text_of(bytes));
}

using Matcher = std::function<bool(std::string_view name)>;

/// libstdc++'s other executor goes back over the text, which a hostile pattern makes take for ever.
/// This one calls itself for each state that it passes, and a count makes thousands of a few bytes.
Result<Matcher> match_pattern(const std::string& pattern) {
  if (pattern.find('{') != pattern.npos) {
    return Error{Code::bad_request,
                 fmt::format("\"{}\": patterns with {{ are not served", pattern)};
  }
  try {
    const auto flags = std::regex::extended | std::regex_constants::__polynomial;
    return Matcher([compiled = std::regex(pattern, flags)](std::string_view name) {
      return std::regex_search(name.begin(), name.end(), compiled);
    });
  } catch (const std::regex_error& error) {
    return Error{Code::bad_request,
                 fmt::format("\"{}\" is no regular expression: {}", pattern, error.what())};
  }
}

struct Way {
  std::string_view word;
  bool (*matches)(std::string_view name, std::string_view wanted);
};
constexpr Way ways[] = {
    {"equals", [](std::string_view name, std::string_view wanted) { return name == wanted; }},
    {"starts_with", [](std::string_view name, std::string_view w) { return name.starts_with(w); }},
    {"ends_with", [](std::string_view name, std::string_view w) { return name.ends_with(w); }},
    {"contains",
     [](std::string_view name, std::string_view w) { return name.find(w) != name.npos; }},
};

Result<Matcher> match_name(const std::string& wanted, std::string_view how) {
  if (how == "regex") return match_pattern(wanted);
  for (const Way& way : ways) {
    if (way.word != how) continue;
    return Matcher(
        [wanted, matches = way.matches](std::string_view name) { return matches(name, wanted); });
  }
  return Error{Code::bad_request, fmt::format("name_match:{} is not known", how.substr(0, 24))};
}

struct NumberKey {
  std::string_view key;
  std::uint64_t (*of)(const MachineInfo& machine);
};
constexpr NumberKey number_keys[] = {
    {"pid", [](const MachineInfo& m) { return m.record.pid; }},
    {"parent_pid", [](const MachineInfo& m) { return m.owner.parent; }},
    {"uid", [](const MachineInfo& m) { return m.owner.uid; }},
    {"gid", [](const MachineInfo& m) { return m.owner.gid; }},
    {"euid", [](const MachineInfo& m) { return m.owner.euid; }},
    {"egid", [](const MachineInfo& m) { return m.owner.egid; }},
};

std::string_view cpu(std::string_view triple) {
  return triple.substr(0, triple.find('-'));
}

} // namespace

Result<std::uint64_t> parse_decimal(std::string_view digits, std::string_view what) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error == std::errc() && end == digits.data() + digits.size()) return value;
  return Error{Code::bad_request, fmt::format("\"{}\" is no {}", digits.substr(0, 24), what)};
}

std::string render_row(const MachineInfo& machine) {
  const MachineRecord& record = machine.record;
  const ProcessOwner& owner = machine.owner;
  std::string arguments = gdb::hex_of(record.name);
  for (const std::string& argument : {machine.state, record.image}) {
    arguments += "-" + gdb::hex_of(argument);
  }
  for (const std::string& address : record.listen) {
    arguments += "-" + gdb::hex_of(address);
  }
  return fmt::format("pid:{};ppid:{};uid:{};gid:{};euid:{};egid:{};name:{};args:{};triple:{};",
                     record.pid, owner.parent, owner.uid, owner.gid, owner.euid, owner.egid,
                     gdb::hex_of(record.name), arguments, gdb::hex_of(record.triple));
}

Result<Filter> parse_filter(std::string_view text) {
  std::vector<Filter> all;
  std::optional<std::string> name;
  std::string_view how = "equals";
  gdb::Scanner scanner(text);
  while (!scanner.done()) {
    gdb::Scanner pair(scanner.until(';'));
    const std::string_view key = pair.until(':'), value = pair.rest();
    if (key == "name") name = TRY(parse_text(value, "name"));
    if (key == "name_match") how = value;
    if (key == "triple") {
      const std::string triple = TRY(parse_text(value, "triple"));
      all.emplace_back([triple](const MachineInfo& machine) {
        return cpu(machine.record.triple) == cpu(triple);
      });
    }
    for (const NumberKey& number : number_keys) {
      if (number.key != key) continue;
      const std::uint64_t wanted = TRY(parse_decimal(value, key));
      all.emplace_back(
          [wanted, of = number.of](const MachineInfo& machine) { return of(machine) == wanted; });
    }
  }
  if (name && !name->empty()) {
    all.emplace_back([matches = TRY(match_name(*name, how))](const MachineInfo& machine) {
      return matches(machine.record.name);
    });
  }
  return Filter([all = std::move(all)](const MachineInfo& machine) {
    return std::all_of(all.begin(), all.end(), [&](const Filter& one) { return one(machine); });
  });
}

} // namespace kdbg::platform
