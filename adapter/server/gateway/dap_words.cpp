#include "adapter/server/gateway/dap_words.hpp"

#include <nlohmann/json.hpp>

#include <charconv>
#include <fmt/format.h>

namespace kdbg::server {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view opening = "Content-Length:";
constexpr std::size_t longest = std::size_t{64} << 10; // bytes

std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

} // namespace

std::vector<std::string> dap_goodbye(std::string_view why) {
  // what number the adapter had reached is not known here; clients do not look at it
  return {dump({{"seq", 0},
                {"type", "event"},
                {"event", "output"},
                {"body", {{"category", "important"}, {"output", fmt::format("{}\n", why)}}}}),
          dump({{"seq", 0}, {"type", "event"}, {"event", "terminated"}})};
}

std::vector<std::string> dap_refusal(std::string_view request, std::string_view why) {
  const auto json = Json::parse(request, nullptr, false);
  if (!json.is_object()) return dap_goodbye(why);
  const auto seq = json.find("seq"), command = json.find("command");
  if (seq == json.end() || !seq->is_number_integer() || command == json.end() ||
      !command->is_string()) {
    return dap_goodbye(why);
  }
  return {dump({{"seq", 1},
                {"type", "response"},
                {"request_seq", *seq},
                {"success", false},
                {"command", *command},
                {"message", why},
                {"body", {{"error", {{"id", 1}, {"format", why}, {"showUser", true}}}}}})};
}

std::string dap_framed(std::string_view message) {
  return fmt::format("{} {}\r\n\r\n{}", opening, message.size(), message);
}

DapFirst dap_first(std::string_view said) {
  const std::size_t end = said.find("\r\n\r\n");
  if (end == std::string_view::npos) return {said.size() > longest};
  std::string_view digits = said.substr(0, end);
  if (!digits.starts_with(opening)) return {true};
  digits.remove_prefix(opening.size());
  digits.remove_prefix(std::min(digits.find_first_not_of(' '), digits.size()));
  std::size_t length = 0;
  const auto [rest, error] = std::from_chars(digits.data(), digits.data() + digits.size(), length);
  if (error != std::errc() || length > longest) return {true};
  const std::string_view body = said.substr(end + 4);
  if (body.size() < length) return {};
  return {true, body.substr(0, length)};
}

} // namespace kdbg::server
