#include "plugins/lldb/reports.hpp"

#include "adapter/columns.hpp"
#include "adapter/msrs.hpp"
#include "plugins/lldb/x86.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <ctime>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <vector>

namespace kdbg::lldb_plugin {
namespace {

using Line = std::vector<std::string>;

/// A field as text, whatever its type; "-" where it is null or missing.
std::string field(const Json& json, std::string_view name) {
  const auto found = json.find(name);
  if (found == json.end() || found->is_null()) return "-";
  if (found->is_string()) return found->get<std::string>();
  if (found->is_boolean()) return found->get<bool>() ? "yes" : "no";
  if (!found->is_array()) return found->dump();
  std::string all;
  for (const Json& each : *found) {
    all += (all.empty() ? "" : " ") + (each.is_string() ? each.get<std::string>() : each.dump());
  }
  return all.empty() ? "-" : all;
}

bool holds(const Json& json, std::string_view name) {
  const auto found = json.find(name);
  return found != json.end() && found->is_boolean() && found->get<bool>();
}

/// The list under `name`; empty where there is none.
Json list(const Json& json, std::string_view name) {
  const auto found = json.find(name);
  return found != json.end() && found->is_array() ? *found : Json::array();
}

/// One line for each of a list's entries: these fields, under these titles.
std::string table(const Json& entries,
                  const std::vector<std::pair<std::string_view, std::string_view>>& fields,
                  std::string_view none) {
  if (entries.empty()) return fmt::format("{}\n", none);
  std::vector<Line> lines(1);
  for (const auto& [name, title] : fields) {
    lines[0].emplace_back(title);
  }
  for (const Json& entry : entries) {
    Line& line = lines.emplace_back();
    for (const auto& [name, title] : fields) {
      line.push_back(field(entry, name));
    }
  }
  return render_columns(lines);
}

std::string size_name(std::uint64_t bytes) {
  if (bytes >= 1 << 30) return fmt::format("{} GiB", bytes >> 30);
  if (bytes >= 1 << 20) return fmt::format("{} MiB", bytes >> 20);
  return fmt::format("{} KiB", bytes >> 10);
}

} // namespace

std::string report_capabilities(const Json& answer) {
  static constexpr std::pair<const char*, const char*> rows[] = {
      {"arch", "CPU family"},
      {"vcpus", "vCPUs"},
      {"hardwareSlots", "debug registers"},
      {"singleStep", "single step"},
      {"softwarePoints", "breakpoint instructions"},
      {"hardwareWatch", "watchpoints by hardware"},
      {"protectedWatch", "watchpoints by write protection"},
      {"steppedWatch", "watchpoints by single-stepping"},
      {"blockInterrupts", "steps keep interrupts back"},
  };
  std::vector<Line> lines;
  for (const auto& [name, title] : rows) {
    lines.push_back({title, field(answer, name)});
  }
  std::string text = render_columns(lines);
  for (const Json& note : list(answer, "notes")) {
    text += fmt::format("- {}\n", note.get<std::string>());
  }
  return text;
}

std::string report_points(const Json& answer) {
  return table(list(answer, "points"),
               {{"point", "point"}, {"strategy", "how"}, {"hits", "hits"}, {"owners", "clients"}},
               "no points are installed: lldb takes its breakpoints out where they are not needed");
}

std::string report_clients(const Json& answer) {
  return table(list(answer, "clients"),
               {{"id", "client"},
                {"name", "from"},
                {"points", "points"},
                {"drives", "drives"},
                {"self", "you"}},
               "nobody is connected");
}

std::string report_take(const Json& answer) {
  const std::string before = field(answer, "before");
  const std::string now = field(answer, "now");
  if (before == now) return fmt::format("client {} (you) had run control already\n", now);
  if (before == "-") return fmt::format("client {} (you) has run control; nobody had it\n", now);
  return fmt::format("client {} (you) has run control; client {} had it\n", now, before);
}

std::string report_vcpus(const Json& answer) {
  return fmt::format("{}, run {}\n", holds(answer, "running") ? "running" : "stopped",
                     field(answer, "epoch")) +
         table(list(answer, "vcpus"),
               {{"vcpu", "vCPU"},
                {"thread", "thread"},
                {"state", "state"},
                {"pc", "pc"},
                {"mode", "mode"},
                {"why", "why"}},
               "no vCPUs");
}

std::string report_walk(const Json& answer) {
  const std::uint64_t size = answer.value("pageSize", std::uint64_t{0});
  std::string text = fmt::format("{} -> {}", field(answer, "address"), field(answer, "physical"));
  if (size == 0) return text + ": paging is off\n";
  text += fmt::format(", in a page of {}: {}, {}, {}{}{}\n", size_name(size),
                      holds(answer, "user") ? "user" : "supervisor",
                      holds(answer, "writable") ? "writable" : "read-only",
                      holds(answer, "executable") ? "executable" : "not executable",
                      holds(answer, "accessed") ? ", accessed" : "",
                      holds(answer, "dirty") ? ", dirty" : "");
  text += fmt::format("  tables at {}\n", field(answer, "root"));
  for (const Json& level : list(answer, "levels")) {
    text += fmt::format("  {}\n", level.get<std::string>());
  }
  return text;
}

std::string report_descriptors(const Json& answer) {
  const std::string name = field(answer, "table");
  const bool gates = name == "idt";
  std::vector<std::pair<std::string_view, std::string_view>> fields = {
      {"number", gates           ? "vector"
                 : name == "tss" ? "offset"
                                 : "entry"},
      {"base", gates           ? "handler"
               : name == "tss" ? "value"
                               : "base"}};
  if (gates) {
    fields.insert(fields.end(), {{"selector", "segment"}, {"stack", "IST"}});
  } else if (name != "tss") {
    fields.emplace_back("limit", "limit");
  }
  if (name != "tss") {
    fields.insert(fields.end(), {{"privilege", "DPL"}, {"present", "present"}});
  }
  fields.emplace_back("kind", "kind");
  return fmt::format("{} at {}, limit {}\n", name, field(answer, "base"), field(answer, "limit")) +
         table(list(answer, "entries"), fields, "no entries that are not zero");
}

std::string report_msr(const Json& answer) {
  const std::string number = field(answer, "number");
  const Msr* const known = find_msr(std::strtoull(number.c_str(), nullptr, 16));
  return fmt::format("msr {}{}{} = {}\n", number, known ? " " : "", known ? known->name : "",
                     field(answer, "value"));
}

/// Sixteen bytes a line, as text too.
std::string report_physical(const Json& answer) {
  const std::uint64_t at = std::strtoull(field(answer, "address").c_str(), nullptr, 16);
  const std::string digits = answer.value("data", std::string());
  constexpr std::size_t width = 16;
  std::string text;
  std::string ascii;
  for (std::size_t i = 0; 2 * i + 1 < digits.size(); ++i) {
    if (i % width == 0) text += fmt::format("{:#012x}:", at + i);
    const auto byte = std::strtoul(digits.substr(2 * i, 2).c_str(), nullptr, 16);
    text += fmt::format(" {:02x}", byte);
    ascii += byte >= ' ' && byte < 0x7f ? static_cast<char>(byte) : '.';
    if (ascii.size() == width || 2 * i + 3 >= digits.size()) {
      text += fmt::format("{:{}}  {}\n", "", 3 * (width - ascii.size()), ascii);
      ascii.clear();
    }
  }
  return text;
}

std::string report_exceptions(const Json& answer) {
  return table(list(answer, "exceptions"),
               {{"vector", "vector"},
                {"name", "name"},
                {"error", "error code"},
                {"hits", "hits"},
                {"owners", "clients"}},
               "no exception stops the guest: `kvm exceptions set #PF` makes one");
}

/// Times are of this machine's clock, to the millisecond.
std::string report_stops(const Json& answer) {
  std::vector<Line> lines{{"time", "run", "by", "vCPU", "why"}};
  for (const Json& stop : list(answer, "stops")) {
    const double time = stop.value("time", 0.0);
    const auto second = static_cast<std::time_t>(time);
    const std::string when =
        fmt::format("{:%H:%M:%S}.{:03}", fmt::localtime(second),
                    static_cast<int>((time - static_cast<double>(second)) * 1000));
    for (const Json& vcpu : list(stop, "vcpus")) {
      std::string why;
      for (const Json& reason : list(vcpu, "reasons")) {
        why += (why.empty() ? "" : "; ") + reason.get<std::string>();
      }
      lines.push_back({when, field(stop, "epoch"), field(stop, "resumedBy"), field(vcpu, "vcpu"),
                       why.empty() ? "held" : why});
    }
  }
  return lines.size() == 1 ? "the guest has not stopped yet\n" : render_columns(lines);
}

std::string report_console(const Json& answer) {
  const std::string text = answer.value("text", std::string());
  if (text.empty()) return "the guest has written nothing\n";
  return text.back() == '\n' ? text : text + "\n";
}

std::string report_trace(const Json& answer) {
  return holds(answer, "on")
             ? "the server writes a trace\n"
             : "the server writes no trace: `kvm run IMAGE --trace FILE` starts one "
               "that does\n";
}

std::string report_machines(const Json& machines) {
  return table(machines,
               {{"pid", "PID"},
                {"name", "name"},
                {"state", "state"},
                {"image", "image"},
                {"listen", "listens on"}},
               "no kvmdbg of yours runs");
}

} // namespace kdbg::lldb_plugin
