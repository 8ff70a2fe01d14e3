// Throws bytes at the one port's door: what a client says first, the head of a request, what comes
// of it, and a debug adapter's client that is sent away. The same bytes, whole and in pieces, must
// end the same; nothing may become a WebSocket without the token, and no answer may tell it.
#include "adapter/server/gateway/dap_words.hpp"
#include "adapter/server/gateway/door.hpp"
#include "adapter/server/gateway/sniff.hpp"
#include "tests/fuzz/choices.hpp"

#include <algorithm>

namespace {

using namespace kdbg;
using namespace kdbg::server;
using fuzz::require;

constexpr std::string_view secret = "5ec2e7";

DoorRules rules() {
  DoorRules out;
  out.hosts = hosts_of("127.0.0.1:1", 1, true);
  out.origins = origins_of(out.hosts, {});
  out.tokens.control = secret;
  return out;
}

/// As gdb's protocol is told, and one that a capital letter could be mistaken for.
const Protocol protocols[] = {
    {"packets",
     [](std::byte first) {
       return std::string_view("+-$%\x03").find(static_cast<char>(first)) != std::string_view::npos;
     },
     {}},
    {"state", [](std::byte first) { return static_cast<char>(first) == 's'; }, {}},
};

/// What was decided stays, whatever comes behind.
void check_sniffing(std::string_view said) {
  auto decided = Sniffed::Kind::undecided;
  for (std::size_t length = 0; length <= std::min<std::size_t>(said.size(), 64); ++length) {
    const auto now = sniff(protocols, said.substr(0, length)).kind;
    require(decided == Sniffed::Kind::undecided || now == decided);
    require(length < 15 || now != Sniffed::Kind::undecided);
    decided = now;
  }
}

struct Outcome {
  bool refused = false, whole = false;
  std::size_t taken = 0;
  std::string text{}; ///< of the answer, or of the request that is handed on
  bool operator==(const Outcome&) const = default;
};

Outcome outcome_of(std::string_view said, std::size_t piece) {
  Outcome out;
  HttpHead head;
  std::size_t at = 0;
  while (at < said.size() && !out.whole) {
    const std::size_t count = std::min(piece, said.size() - at);
    const auto taken = head.take(said.substr(at, count));
    if (!taken) return {true, false, 0};
    require(*taken <= count);
    at += *taken;
    out.whole = head.whole();
    require(out.whole || *taken == count);
  }
  out.taken = at;
  if (!out.whole) return out;
  const HttpRequest request = head.request();
  const Decision decision = decide(request, at < said.size(), rules());
  if (const auto* answer = std::get_if<HttpAnswer>(&decision)) {
    require(answer->bytes.starts_with("HTTP/1.1 "));
    require(answer->bytes.find("Access-Control") == std::string::npos);
    require(answer->bytes.find("Connection: close\r\n") != std::string::npos);
    require(answer->bytes.find(secret) == std::string::npos ||
            said.find(secret) != std::string_view::npos);
    out.text = answer->bytes;
  } else {
    const auto& upgrade = std::get<Upgrade>(decision);
    require(said.substr(0, at).find(secret) != std::string_view::npos);
    require(at == said.size());
    HttpHead again; // what is handed on is one whole head
    const auto taken = again.take(upgrade.request);
    require(taken && again.whole() && *taken == upgrade.request.size());
    require(again.request().values("Authorization").empty());
    out.text = upgrade.request;
  }
  return out;
}

void check_refusals(std::string_view said) {
  const DapFirst first = dap_first(said);
  require(first.message.size() <= said.size());
  for (const std::string& message : dap_refusal(first.over ? first.message : said, "no")) {
    require(message.starts_with("{") && message.ends_with("}"));
    require(dap_first(dap_framed(message)).message == message);
  }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::size_t piece = 1U + data[0] % 64;
  const std::string_view said(reinterpret_cast<const char*>(data) + 1, size - 1);
  check_sniffing(said);
  const Outcome whole = outcome_of(said, std::max<std::size_t>(said.size(), 1));
  const Outcome pieces = outcome_of(said, piece);
  // what is no head may be seen at once or only when its end comes, but it never is one
  require(whole.refused == pieces.refused ? whole == pieces : !whole.whole && !pieces.whole);
  check_refusals(said);
  return 0;
}
