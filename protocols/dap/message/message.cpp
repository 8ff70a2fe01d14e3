#include "protocols/dap/message/message.hpp"

#include <algorithm>
#include <array>

namespace kdbg::dap {
namespace {

constexpr std::string_view no_arguments = "{}";

/// Whether brackets outside of texts nest deeper than max_depth: told ahead of the parser, which
/// would follow them as deep as they go.
bool too_deep(std::string_view text) {
  int depth = 0;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '\\') ++i;
      quoted = c != '"';
    } else if (c == '"') {
      quoted = true;
    } else if (c == '{' || c == '[') {
      if (++depth > max_depth) return true;
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return false;
}

std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

/// As the protocol spells what it gives a meaning to; else our sentence.
std::string message_of(const Error& error) {
  return error.code == Code::running ? "notStopped" : error.what;
}

/// What editors ask for by themselves, and show the failure of where the answer would be.
constexpr std::array<std::string_view, 13> editors_own{
    "breakpointLocations", "completions", "disassemble", "evaluate", "exceptionInfo",
    "loadedSources",       "modules",     "readMemory",  "scopes",   "source",
    "stackTrace",          "threads",     "variables"};

/// Whether an editor had better interrupt its user: not for its own questions, which may well come
/// too late (for a frame, for a session that ends), nor for an extension's, which tells the failure
/// itself.
bool concerns_user(std::string_view command, const Error& error) {
  return error.code != Code::closed && error.what != "cancelled" &&
         !command.starts_with("kvmdbg/") &&
         std::find(editors_own.begin(), editors_own.end(), command) == editors_own.end();
}

} // namespace

std::variant<Request, Malformed> parse_request(std::string_view text) {
  if (too_deep(text)) {
    return Malformed{
        0, "", {Code::bad_request, fmt::format("JSON nests deeper than {}", max_depth)}};
  }
  if (text.starts_with("Content-Length:")) {
    return Malformed{
        0,
        "",
        {Code::bad_request, "a WebSocket's frame holds the JSON alone, without Content-Length"}};
  }
  const Json json = Json::parse(text, nullptr, false);
  if (json.is_discarded()) return Malformed{0, "", {Code::bad_request, "not valid JSON in UTF-8"}};
  if (!json.is_object()) return Malformed{0, "", wrong_type("the message", "an object", json)};
  Malformed off;
  const auto field = [&](const char* name) { return json.contains(name) ? json[name] : Json(); };
  const auto refuse = [&](Error error) {
    off.error = std::move(error);
    return off;
  };
  if (field("command").is_string()) off.command = field("command").get<std::string>();
  const auto seq = read<std::int64_t>(field("seq"), "seq");
  if (!seq) return refuse(seq.error());
  off.seq = *seq;
  const auto type = read<std::string>(field("type"), "type");
  if (!type) return refuse(type.error());
  if (*type != "request") {
    return refuse({Code::bad_request, fmt::format("type must be request, not {}", *type)});
  }
  const auto command = read<std::string>(field("command"), "command");
  if (!command) return refuse(command.error());
  Json arguments = field("arguments");
  if (arguments.is_null()) arguments = Json::parse(no_arguments);
  if (!arguments.is_object()) return refuse(wrong_type("arguments", "an object", arguments));
  return Request{*seq, *command, std::move(arguments)};
}

std::string response(std::int64_t seq, const Request& to, const Json& body) {
  Json json = {{"seq", seq},
               {"type", "response"},
               {"request_seq", to.seq},
               {"success", true},
               {"command", to.command}};
  if (!body.is_null()) json["body"] = body;
  return dump(json);
}

std::string
error_response(std::int64_t seq, std::int64_t to, std::string_view command, const Error& error) {
  return dump({{"seq", seq},
               {"type", "response"},
               {"request_seq", to},
               {"success", false},
               {"command", command},
               {"message", message_of(error)},
               {"body",
                {{"error",
                  {{"id", static_cast<int>(error.code) + 1},
                   {"format", error.what},
                   {"showUser", concerns_user(command, error)}}}}}});
}

std::string event(std::int64_t seq, std::string_view name, const Json& body) {
  Json json = {{"seq", seq}, {"type", "event"}, {"event", name}};
  if (!body.is_null()) json["body"] = body;
  return dump(json);
}

} // namespace kdbg::dap
