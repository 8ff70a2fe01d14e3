#include "protocols/dap/data/kvm_words.hpp"

#include "adapter/columns.hpp"
#include "protocols/dap/message/address.hpp"

#include <array>

namespace kdbg::dap {
namespace {

using Words = std::vector<std::string>;

struct KvmWord {
  std::string_view word, request;
  std::array<std::string_view, 2> arguments; ///< numbers, in this order
  std::size_t demanded;                      ///< how many of them
  std::string_view table;                    ///< of descriptorTables
  bool of_vcpu;
  std::string_view meaning;
};

constexpr std::array<KvmWord, 15> words{{
    {"points", "points", {}, 0, "", false, "what is installed, for all clients"},
    {"vcpus", "vcpus", {}, 0, "", false, "the processors, also while they run"},
    {"clients", "clients", {}, 0, "", false, "who is connected, who has run control"},
    {"take", "takeControl", {}, 0, "", false, "take run control"},
    {"stops", "stops", {"count"}, 0, "", false, "[COUNT]: the time line"},
    {"walk", "walk", {"address", "root"}, 1, "", true, "ADDRESS [CR3]: page-table walk"},
    {"msr", "msr", {"number", "value"}, 1, "", true, "NUMBER [VALUE]: read or write one"},
    {"idt", "descriptorTables", {"first", "count"}, 0, "idt", true, "[FIRST [COUNT]]"},
    {"gdt", "descriptorTables", {"first", "count"}, 0, "gdt", true, "[FIRST [COUNT]]"},
    {"ldt", "descriptorTables", {"first", "count"}, 0, "ldt", true, "[FIRST [COUNT]]"},
    {"tss", "descriptorTables", {"first", "count"}, 0, "tss", true, "[FIRST [COUNT]]"},
    {"phys", "physRead", {"address", "length"}, 2, "", false, "ADDRESS LENGTH: physical memory"},
    {"exceptions", "exceptions", {}, 0, "", false, "the exceptions that stop"},
    {"capabilities", "capabilities", {}, 0, "", false, "what works on this host"},
    {"console", "console", {}, 0, "", false, "[TEXT]: the guest's console; types a line"},
}};

std::string cell(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_null()) return "-";
  if (value.is_boolean()) return value.get<bool>() ? "yes" : "no";
  if (!value.is_array()) return value.dump();
  std::string text;
  for (const Json& one : value) {
    text += (text.empty() ? "" : ", ") + (one.is_object() ? one.dump() : cell(one));
  }
  return text;
}

/// Objects as lines; a column for each name that any of them has.
std::string rows(const Json& list) {
  Words names;
  for (const Json& one : list) {
    for (const auto& [name, value] : one.items()) {
      if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
    }
  }
  std::vector<Words> lines{names};
  for (const Json& one : list) {
    Words line;
    for (const std::string& name : names) {
      line.push_back(one.contains(name) ? cell(one[name]) : "");
    }
    lines.push_back(std::move(line));
  }
  return render_columns(lines);
}

bool is_table(const Json& value) {
  return value.is_array() && !value.empty() && value.front().is_object();
}

std::string render(const Json& answer) {
  std::vector<Words> lines;
  std::string tables;
  for (const auto& [name, value] : answer.items()) {
    if (is_table(value)) {
      tables += rows(value);
    } else if (value.is_array() && value.empty()) {
      tables += fmt::format("no {}\n", name);
    } else {
      lines.push_back({name, cell(value)});
    }
  }
  return render_columns(lines) + tables;
}

std::string help() {
  std::vector<Words> lines;
  lines.reserve(words.size());
  for (const KvmWord& one : words) {
    lines.push_back({fmt::format("kvm {}", one.word), std::string(one.meaning)});
  }
  return render_columns(lines);
}

Words split(std::string_view line) {
  Words all;
  for (std::size_t at = 0; (at = line.find_first_not_of(" \t", at)) != line.npos;) {
    const std::size_t end = std::min(line.find_first_of(" \t", at), line.size());
    all.emplace_back(line.substr(at, end - at));
    at = end;
  }
  return all;
}

Result<Json> arguments_of(const KvmContext& context, const KvmWord& word, const Words& given) {
  Json arguments = Json::object();
  if (!word.table.empty()) arguments["table"] = word.table;
  if (word.of_vcpu && context.vcpu) arguments["vcpu"] = *context.vcpu;
  for (std::size_t i = 1; i < given.size(); ++i) {
    if (i > word.arguments.size() || word.arguments[i - 1].empty()) {
      return Error{Code::bad_request, fmt::format("kvm {}: {} is too much", word.word, given[i])};
    }
    const auto number = parse_number(given[i]);
    const std::uint64_t value = number ? *number : TRY(context.evaluate(given[i]));
    arguments[std::string(word.arguments[i - 1])] = fmt::format("{:#x}", value);
  }
  if (given.size() > word.demanded) return arguments;
  return Error{Code::bad_request,
               fmt::format("kvm {}: {} is missing", word.word, word.arguments[given.size() - 1])};
}

} // namespace

std::vector<std::string> kvm_words(std::string_view start) {
  Words found;
  for (const KvmWord& one : words) {
    if (one.word.starts_with(start)) found.emplace_back(one.word);
  }
  if (std::string_view("help").starts_with(start)) found.emplace_back("help");
  return found;
}

Result<std::string> run_kvm_words(const KvmContext& context, std::string_view line) {
  const Words given = split(line);
  if (given.empty() || given.front() == "help") return help();
  for (const KvmWord& word : words) {
    if (word.word != given.front()) continue;
    if (word.word == "console") {
      const std::size_t text = line.find(given.front()) + given.front().size() + 1;
      Json typed = Json::object();
      if (text < line.size()) typed["type"] = std::string(line.substr(text)) + "\n";
      return TRY(context.control.ask("console", typed)).value("text", "");
    }
    const Json arguments = TRY(arguments_of(context, word, given));
    return render(TRY(context.control.ask(word.request, arguments)));
  }
  return Error{Code::bad_request,
               fmt::format("kvm has no word {}: kvm help lists them", given.front())};
}

} // namespace kdbg::dap
