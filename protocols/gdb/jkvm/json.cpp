#include "protocols/gdb/jkvm/json.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>

namespace kdbg::gdb::jkvm {
namespace {

Error bad(std::string what) {
  return Error{Code::bad_request, std::move(what)};
}

/// Looked at before anything is built, so that what is too deep costs nothing.
unsigned depth_of(std::string_view text) {
  unsigned depth = 0, most = 0;
  bool quoted = false, escaped = false;
  for (const char c : text) {
    if (quoted) {
      quoted = escaped || c != '"';
      escaped = !escaped && c == '\\';
      continue;
    }
    if (c == '"') quoted = true;
    if (c == '[' || c == '{') most = std::max(most, ++depth);
    if ((c == ']' || c == '}') && depth > 0) --depth;
  }
  return most;
}

bool fits(const Json& value, Type type) {
  switch (type) {
  case Type::flag:
    return value.is_boolean();
  case Type::number:
    return as_number(value).has_value();
  case Type::text:
    return value.is_string();
  case Type::list:
    return value.is_array();
  }
  return false;
}

std::string_view name_of(Type type) {
  switch (type) {
  case Type::flag:
    return "true or false";
  case Type::number:
    return "a number from 0 to 2^64-1, or as text \"0x1f\"";
  case Type::text:
    return "text";
  case Type::list:
    return "a list";
  }
  return "";
}

} // namespace

Result<Json> parse_arguments(const Schema& schema, std::string_view text) {
  if (text.size() > longest_text) {
    return bad(fmt::format("arguments of {} bytes: {} at most", text.size(), longest_text));
  }
  if (depth_of(text) > deepest) return bad(fmt::format("JSON deeper than {} levels", deepest));
  Json json = text.empty() ? Json::object() : Json::parse(text, nullptr, false);
  if (json.is_discarded()) return bad("arguments are not JSON");
  if (!json.is_object()) return bad("arguments are not a JSON object");
  for (const auto& member : json.items()) {
    const std::string& name = member.key();
    const auto known = std::find_if(schema.arguments.begin(), schema.arguments.end(),
                                    [&](const Argument& each) { return each.name == name; });
    if (known == schema.arguments.end()) {
      return bad(fmt::format("jKvm.{} has no argument \"{}\"", schema.name, name));
    }
    if (!fits(member.value(), known->type)) {
      return bad(
          fmt::format("jKvm.{}: \"{}\" must be {}", schema.name, name, name_of(known->type)));
    }
  }
  for (const Argument& each : schema.arguments) {
    if (each.need == Need::required && !json.contains(each.name)) {
      return bad(fmt::format("jKvm.{} needs \"{}\"", schema.name, each.name));
    }
  }
  return json;
}

std::optional<std::uint64_t> number_in(const Json& arguments, std::string_view name) {
  const auto found = arguments.find(name);
  if (found == arguments.end()) return {};
  return as_number(*found);
}

std::optional<std::uint64_t> as_number(const Json& value) {
  if (value.is_number_unsigned()) return value.get<std::uint64_t>();
  if (!value.is_string()) return {};
  std::string_view digits = value.get_ref<const std::string&>();
  const bool hexadecimal = digits.starts_with("0x");
  if (hexadecimal) digits.remove_prefix(2);
  std::uint64_t out = 0;
  const char* const end = digits.data() + digits.size();
  const auto [at, error] = std::from_chars(digits.data(), end, out, hexadecimal ? 16 : 10);
  if (error != std::errc{} || at != end) return {};
  return out;
}

Json hex(std::uint64_t value) {
  return fmt::format("{:#x}", value);
}

std::string render(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

} // namespace kdbg::gdb::jkvm
