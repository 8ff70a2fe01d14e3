#include "protocols/gdb/jkvm/help.hpp"

#include <cctype>
#include <fmt/format.h>

namespace kdbg::gdb::jkvm {
namespace {

std::string_view name_of(Type type) {
  switch (type) {
  case Type::flag:
    return "flag";
  case Type::number:
    return "number";
  case Type::text:
    return "text";
  case Type::list:
    return "list";
  }
  return "";
}

Json describe(std::span<const Field> fields) {
  Json list = Json::array();
  for (const Field& field : fields) {
    list.push_back(Json{{"name", field.name}, {"type", field.type}, {"meaning", field.meaning}});
  }
  return list;
}

Json describe(const Schema& schema) {
  Json arguments = Json::array();
  for (const Argument& argument : schema.arguments) {
    arguments.push_back(Json{{"name", argument.name},
                             {"type", name_of(argument.type)},
                             {"required", argument.need == Need::required},
                             {"meaning", argument.meaning}});
  }
  return {{"name", schema.name},
          {"meaning", schema.meaning},
          {"arguments", std::move(arguments)},
          {"results", describe(schema.results)}};
}

std::string sentence(std::string_view words) {
  std::string text(words);
  if (!text.empty()) text.front() = static_cast<char>(std::toupper(text.front()));
  return text + ".";
}

std::string render(std::span<const Field> fields) {
  std::string text = "| result | type | |\n|---|---|---|\n";
  for (const Field& field : fields) {
    text += fmt::format("| `{}` | {} | {} |\n", field.name, field.type, field.meaning);
  }
  return text;
}

std::string render(std::span<const Argument> arguments) {
  if (arguments.empty()) return {};
  std::string text = "| argument | type | |\n|---|---|---|\n";
  for (const Argument& argument : arguments) {
    text += fmt::format("| `{}` | {}{} | {} |\n", argument.name, name_of(argument.type),
                        argument.need == Need::required ? "" : ", optional", argument.meaning);
  }
  return text + "\n";
}

} // namespace

Result<Json> describe_requests(std::string_view name) {
  Json list = Json::array();
  for (const Schema& schema : requests) {
    if (name.empty() || name == schema.name) list.push_back(describe(schema));
  }
  if (list.empty()) {
    return Error{Code::bad_request, fmt::format("no request jKvm.{}; jKvm.help lists them", name)};
  }
  Json json = {{"requests", std::move(list)}};
  if (!name.empty()) return json;
  Json told = Json::array();
  for (const EventSchema& event : events) {
    told.push_back(
        Json{{"name", event.name}, {"meaning", event.meaning}, {"fields", describe(event.fields)}});
  }
  json["events"] = std::move(told);
  return json;
}

std::string render_reference() {
  std::string text;
  for (const Schema& schema : requests) {
    text += fmt::format("### jKvm.{}\n\n{}\n\n", schema.name, sentence(schema.meaning));
    text += render(schema.arguments) + render(schema.results) + "\n";
  }
  text += "## Events\n";
  for (const EventSchema& event : events) {
    text += fmt::format("\n### {}\n\n", event.name);
    if (!event.meaning.empty()) text += sentence(event.meaning) + "\n\n";
    text += render(event.fields);
  }
  return text;
}

} // namespace kdbg::gdb::jkvm
