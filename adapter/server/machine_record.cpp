#include "adapter/server/machine_record.hpp"

#include "adapter/columns.hpp"

#include <nlohmann/json.hpp>

#include <fmt/format.h>

namespace kdbg::server {
namespace {

using Json = nlohmann::ordered_json;

struct Number {
  const char* name;
  std::uint64_t MachineRecord::*field;
};
constexpr Number numbers[] = {{"pid", &MachineRecord::pid},
                              {"born", &MachineRecord::born},
                              {"started", &MachineRecord::started}};
struct Text {
  const char* name;
  std::string MachineRecord::*field;
};
constexpr Text texts[] = {{"name", &MachineRecord::name},
                          {"image", &MachineRecord::image},
                          {"triple", &MachineRecord::triple}};

Json as_json(const MachineRecord& record) {
  Json json;
  for (const Number& number : numbers) {
    json[number.name] = record.*number.field;
  }
  for (const Text& text : texts) {
    json[text.name] = record.*text.field;
  }
  json["listen"] = record.listen;
  return json;
}

/// A path may hold any byte; JSON is UTF-8.
std::string dump(const Json& json, int indent) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace) + "\n";
}

Error bad_field(std::string_view name, std::string_view want) {
  return {Code::bad_request,
          fmt::format("a machine's record has no \"{}\" that is {}", name, want)};
}

/// Nothing that moves a terminal's cursor or breaks a line.
std::string printable(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < ' ' || c == 0x7f) c = '?';
  }
  return text;
}

} // namespace

std::string render_record(const MachineRecord& record) {
  return dump(as_json(record), -1);
}

Result<MachineRecord> parse_record(std::string_view text) {
  const auto json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return Error{Code::bad_request, "a machine's record is no JSON object"};
  MachineRecord record;
  for (const Number& number : numbers) {
    const auto found = json.find(number.name);
    if (found == json.end() || !found->is_number_unsigned()) {
      return bad_field(number.name, "a number");
    }
    record.*number.field = found->get<std::uint64_t>();
  }
  for (const Text& field : texts) {
    const auto found = json.find(field.name);
    if (found == json.end() || !found->is_string()) return bad_field(field.name, "a text");
    record.*field.field = found->get<std::string>();
  }
  const auto listen = json.find("listen");
  if (listen == json.end() || !listen->is_array()) return bad_field("listen", "a list");
  for (const auto& address : *listen) {
    if (!address.is_string()) return bad_field("listen", "a list of texts");
    record.listen.push_back(address.get<std::string>());
  }
  return record;
}

std::string render_table(const std::vector<MachineInfo>& machines) {
  std::vector<std::vector<std::string>> lines{{"PID", "NAME", "STATE", "IMAGE", "LISTENS ON"}};
  for (const MachineInfo& machine : machines) {
    const MachineRecord& record = machine.record;
    lines.push_back({fmt::format("{}", record.pid), printable(record.name),
                     printable(machine.state), printable(record.image),
                     printable(fmt::format("{}", fmt::join(record.listen, " ")))});
  }
  return render_columns(lines);
}

std::string render_json(const std::vector<MachineInfo>& machines) {
  Json list = Json::array();
  for (const MachineInfo& machine : machines) {
    Json json = as_json(machine.record);
    json.erase("born");
    json["state"] = machine.state;
    list.push_back(std::move(json));
  }
  return dump(list, 2);
}

} // namespace kdbg::server
