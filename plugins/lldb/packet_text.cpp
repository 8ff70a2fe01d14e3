#include "plugins/lldb/packet_text.hpp"

#include <nlohmann/json.hpp>

#include <fmt/format.h>

namespace kdbg::lldb_plugin {
namespace {

/// Compact JSON, of plain ASCII.
std::string dump(const Json& json) {
  return json.dump(-1, ' ', true, Json::error_handler_t::replace);
}

Error not_kvmdbg(std::string_view name) {
  return {Code::unsupported,
          fmt::format("the server of this target is not kvmdbg, or an old one: it does not know {}",
                      name)};
}

} // namespace

std::string packet_command(std::string_view name, const Json& arguments) {
  std::string command = fmt::format("process plugin packet send 'jKvm.{}", name);
  if (arguments.empty()) return command + "'";
  command += ':';
  bool text = false;
  const std::string json = dump(arguments);
  for (std::size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (c == '\\') { // an escape of JSON's stays together
      command += {c, json[++i]};
      continue;
    }
    if (c == '"') text = !text;
    if (c == '}' && !text) {
      command += "}]";
    } else if (std::string_view("'`#$*}").find(c) != std::string_view::npos) {
      command += fmt::format("\\u{:04x}", c);
    } else {
      command += c;
    }
  }
  return command + "'";
}

Result<Json> parse_response(std::string_view name, std::string_view printed) {
  constexpr std::string_view mark = "\nresponse: ";
  const std::size_t at = printed.find(mark);
  if (at == std::string_view::npos) {
    return Error{Code::closed, fmt::format("lldb could not ask for {}: {}", name, printed)};
  }
  std::string_view response = printed.substr(at + mark.size());
  while (!response.empty() && response.back() == '\n') {
    response.remove_suffix(1);
  }
  if (response.empty() || response[0] == '\n') return not_kvmdbg(name); // "\nerror: UNIMPLEMENTED"
  if (response.substr(0, 2) == "E.") {
    return Error{Code::bad_request, std::string(response.substr(2))};
  }
  Json json = Json::parse(response, nullptr, false);
  if (json.is_object()) return json;
  return not_kvmdbg(name);
}

} // namespace kdbg::lldb_plugin
