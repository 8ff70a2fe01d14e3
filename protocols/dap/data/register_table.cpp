#include "protocols/dap/data/register_table.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <fmt/format.h>
#include <map>

namespace kdbg::dap {
namespace {

constexpr std::array<std::string_view, 8> shown_groups{
    "General", "Flags", "Segments", "Control", "Debug", "Floating point", "Vector", msr_group};

std::string attribute(std::string_view tag, std::string_view name) {
  const std::string start = fmt::format(" {}=\"", name);
  const std::size_t at = tag.find(start);
  if (at == tag.npos) return {};
  tag.remove_prefix(at + start.size());
  return std::string(tag.substr(0, tag.find('"')));
}

unsigned number(const std::string& text) {
  unsigned value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

/// The descriptor tables and what x86 keeps of the descriptors: cs, cs_base, idtr_limit.
bool of_segments(std::string_view name) {
  static constexpr std::array<std::string_view, 8> whole{"cs", "ss", "ds", "es",
                                                         "fs", "gs", "tr", "ldtr"};
  const bool part = name.ends_with("_base") || name.ends_with("_limit") || name.ends_with("_attr");
  return part || std::find(whole.begin(), whole.end(), name) != whole.end();
}

std::string_view group_of(std::string_view feature, std::string_view group, std::string_view name) {
  if (feature.ends_with(".msr")) return msr_group;
  if (feature.ends_with(".debug")) return "Debug";
  if (group == "general") return "General";
  if (group == "float") return "Floating point";
  if (group == "vector") return "Vector";
  return of_segments(name) ? "Segments" : "Control";
}

class Reader {
public:
  void take(std::string_view tag) {
    if (tag.starts_with("feature ")) {
      feature_ = attribute(tag, "name");
    } else if (tag.starts_with("flags ")) {
      fields_ = &flags_[attribute(tag, "id")];
    } else if (tag.starts_with("struct ") || tag.starts_with("union ")) {
      fields_ = nullptr;
    } else if (tag.starts_with("field ") && fields_) {
      take_field(tag);
    } else if (tag.starts_with("reg ")) {
      take_register(tag);
    }
  }
  RegisterTable table;

private:
  void take_field(std::string_view tag) {
    const std::string name = attribute(tag, "name");
    const unsigned first = number(attribute(tag, "start")), last = number(attribute(tag, "end"));
    if (name.empty() || first > last || last > 63) return;
    fields_->push_back({name, first, last});
  }

  void take_register(std::string_view tag) {
    RegisterEntry made;
    made.name = attribute(tag, "name");
    made.bits = number(attribute(tag, "bitsize"));
    made.group = group_of(feature_, attribute(tag, "group"), made.name);
    const auto fields = flags_.find(attribute(tag, "type"));
    if (fields != flags_.end()) made.fields = fields->second;
    if (made.group == "General" && !made.fields.empty()) made.group = "Flags";
    table.registers.push_back(std::move(made));
  }

  std::string feature_;
  std::map<std::string, std::vector<RegisterField>> flags_;
  std::vector<RegisterField>* fields_ = nullptr;
};

} // namespace

RegisterTable parse_description(std::string_view xml) {
  Reader reader;
  for (std::size_t at = 0; (at = xml.find('<', at)) != xml.npos;) {
    const std::size_t end = xml.find('>', at);
    if (end == xml.npos) break;
    reader.take(xml.substr(at + 1, end - at - 1));
    at = end;
  }
  return std::move(reader.table);
}

std::vector<std::string> RegisterTable::groups() const {
  std::vector<std::string> found;
  for (const std::string_view group : shown_groups) {
    const auto in_it = [&](const RegisterEntry& one) { return one.group == group; };
    if (std::any_of(registers.begin(), registers.end(), in_it)) found.emplace_back(group);
  }
  return found;
}

const RegisterEntry* RegisterTable::find(std::string_view name) const {
  for (const RegisterEntry& one : registers) {
    if (one.name == name) return &one;
  }
  return nullptr;
}

std::string decoded(const RegisterEntry& entry, std::uint64_t value) {
  std::string text;
  for (const RegisterField& field : entry.fields) {
    const std::uint64_t part = field.of(value);
    if (part == 0) continue;
    text += text.empty() ? "" : " ";
    text += field.name;
    if (field.first != field.last) text += fmt::format("={}", part);
  }
  return text;
}

} // namespace kdbg::dap
