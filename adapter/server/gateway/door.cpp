#include "adapter/server/gateway/door.hpp"

#include "adapter/server/gateway/pages.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace kdbg::server {
namespace {

constexpr std::string_view token_item = "kvmdbg.token.";

struct Endpoint {
  std::string_view path;
  Upgrade::Service service;
  std::string_view subprotocol;
};
constexpr Endpoint endpoints[] = {
    {"/dap", Upgrade::Service::dap, "dap.v1"},
    {"/rsp", Upgrade::Service::rsp, "rsp.v1"},
};

struct Reason {
  int status;
  std::string_view text;
};
constexpr Reason reasons[] = {
    {200, "OK"},        {400, "Bad Request"},        {403, "Forbidden"},
    {404, "Not Found"}, {405, "Method Not Allowed"}, {426, "Upgrade Required"},
};

std::string_view reason_of(int status) {
  const auto* found = std::find_if(std::begin(reasons), std::end(reasons),
                                   [=](const Reason& reason) { return reason.status == status; });
  return found == std::end(reasons) ? std::string_view() : found->text;
}

/// Every resource of ours comes from here, and nothing is written inside a page: text that a guest
/// has made up does not become a script or a style.
constexpr std::string_view content_policy =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' "
    "data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// No CORS header on any answer: a page of another site learns nothing.
HttpAnswer answer(int status,
                  std::string_view type,
                  std::string_view body,
                  bool head_only = false,
                  std::string_view more_fields = {},
                  std::string_view cache = "no-store") {
  std::string bytes =
      fmt::format("HTTP/1.1 {} {}\r\n"
                  "Content-Type: {}\r\n"
                  "Content-Length: {}\r\n"
                  "Connection: close\r\n"
                  "Cache-Control: {}\r\n"
                  "Content-Security-Policy: {}\r\n"
                  "X-Content-Type-Options: nosniff\r\n"
                  "Referrer-Policy: no-referrer\r\n"
                  "{}\r\n",
                  status, reason_of(status), type, body.size(), cache, content_policy, more_fields);
  if (!head_only) bytes += body;
  return {status, std::move(bytes)};
}

/// One whose name has its content's hash never changes.
HttpAnswer answer(const Page& page, bool head_only) {
  constexpr std::string_view for_ever = "private, max-age=31536000, immutable";
  return answer(200, page.type, page.body, head_only,
                page.compressed ? "Content-Encoding: gzip\r\n" : "",
                page.named_by_content ? for_ever : "no-store");
}

HttpAnswer plain(int status, std::string_view text, std::string_view more_fields = {}) {
  return answer(status, "text/plain; charset=utf-8", fmt::format("kvmdbg: {}\n", text), false,
                more_fields);
}

bool contains(const std::vector<std::string>& list, std::string_view value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

/// What a client wrote, for a line of text.
std::string shown(std::string_view value) {
  constexpr std::size_t longest = 80; // characters
  std::string text(value.substr(0, longest));
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < ' ' || static_cast<unsigned char>(c) > '~') c = '?';
  }
  return text;
}

/// "a, b" and further fields of the same name are one list.
std::vector<std::string_view> items(const HttpRequest& request, std::string_view name) {
  std::vector<std::string_view> out;
  for (std::string_view rest : request.values(name)) {
    while (!rest.empty()) {
      const std::size_t comma = std::min(rest.find(','), rest.size());
      std::string_view item = rest.substr(0, comma);
      rest.remove_prefix(std::min(comma + 1, rest.size()));
      const std::size_t begin = std::min(item.find_first_not_of(" \t"), item.size());
      item.remove_prefix(begin);
      item = item.substr(0, item.find_last_not_of(" \t") + 1);
      if (!item.empty()) out.push_back(item);
    }
  }
  return out;
}

bool lists(const HttpRequest& request, std::string_view name, std::string_view word) {
  const auto all = items(request, name);
  return std::any_of(all.begin(), all.end(), [=](std::string_view item) {
    return std::equal(item.begin(), item.end(), word.begin(), word.end(),
                      [](char a, char b) { return (a | 0x20) == (b | 0x20); });
  });
}

std::optional<HttpAnswer> check_where_from(const HttpRequest& request, const DoorRules& rules) {
  const auto hosts = request.values("Host");
  if (hosts.size() != 1) return plain(400, "a request has one Host");
  if (!contains(rules.hosts, hosts.front())) {
    return plain(403, fmt::format("no host of this server is called \"{}\"", shown(hosts.front())));
  }
  const auto origins = request.values("Origin");
  if (origins.size() > 1) return plain(400, "a request has one Origin at most");
  if (!origins.empty() && !contains(rules.origins, origins.front())) {
    return plain(403, fmt::format("pages of \"{}\" may not come here; --allow-origin would let "
                                  "them",
                                  shown(origins.front())));
  }
  return {};
}

std::optional<HttpAnswer> check_form(const HttpRequest& request) {
  if (!request.version_1_1) return plain(400, "HTTP/1.1 is spoken here");
  if (request.has_body) return plain(400, "no request here has a body");
  if (request.target.empty() || request.target.front() != '/') {
    return plain(400, "a request names a path");
  }
  return {};
}

/// Every token that the request brings must be good for the same.
std::optional<Role> role_of(const HttpRequest& request, const Tokens& tokens) {
  std::vector<std::string_view> brought;
  for (const std::string_view item : items(request, "Sec-WebSocket-Protocol")) {
    if (item.starts_with(token_item)) brought.push_back(item.substr(token_item.size()));
  }
  constexpr std::string_view bearer = "Bearer ";
  for (const std::string_view value : request.values("Authorization")) {
    brought.push_back(value.starts_with(bearer) ? value.substr(bearer.size()) : std::string_view());
  }
  if (brought.empty()) return {};
  const auto role = tokens.role_of(brought.front());
  const bool agree = std::all_of(brought.begin(), brought.end(), [&](std::string_view token) {
    return tokens.role_of(token) == role;
  });
  return agree ? role : std::nullopt;
}

/// A browser gives up when it offered subprotocols and none is chosen; so one that offers its token
/// alone is answered with that.
std::string_view chosen(const HttpRequest& request, std::string_view subprotocol) {
  const auto offered = items(request, "Sec-WebSocket-Protocol");
  if (offered.empty()) return {};
  if (std::find(offered.begin(), offered.end(), subprotocol) != offered.end()) return subprotocol;
  const auto found = std::find_if(offered.begin(), offered.end(), [](std::string_view item) {
    return item.starts_with(token_item);
  });
  return found == offered.end() ? std::string_view() : *found;
}

Decision upgrade(const HttpRequest& request, const Endpoint& to, const DoorRules& rules) {
  const std::string_view key_name = "Sec-WebSocket-Key";
  if (!lists(request, "Connection", "upgrade") || !lists(request, "Upgrade", "websocket") ||
      !lists(request, "Sec-WebSocket-Version", "13")) {
    return plain(426, fmt::format("{} is a WebSocket", to.path),
                 "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n");
  }
  const auto keys = request.values(key_name);
  constexpr std::size_t key_length = 24; // RFC 6455 4.1: 16 bytes in base64
  if (keys.size() != 1 || keys.front().size() != key_length) {
    return plain(400, "a WebSocket has one key of 16 bytes");
  }
  const auto role = role_of(request, rules.tokens);
  if (!role) {
    return plain(403, fmt::format("a token of this run is needed: offer the subprotocol {}TOKEN; "
                                  "kvmdbg has named the file that it is in",
                                  token_item));
  }
  std::string clean = fmt::format("GET {} HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\n"
                                  "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                                  "Sec-WebSocket-Key: {}\r\n",
                                  to.path, request.values("Host").front(), keys.front());
  if (const auto subprotocol = chosen(request, to.subprotocol); !subprotocol.empty()) {
    clean += fmt::format("Sec-WebSocket-Protocol: {}\r\n", subprotocol);
  }
  return Upgrade{to.service, lesser(rules.role, *role), clean + "\r\n"};
}

} // namespace

std::vector<std::string> hosts_of(std::string_view local, std::uint16_t port, bool loopback) {
  if (local.empty()) return {"localhost"};
  if (!loopback) return {std::string(local)};
  std::vector<std::string> hosts;
  for (const std::string_view name : {"127.0.0.1", "localhost", "[::1]"}) {
    hosts.push_back(fmt::format("{}:{}", name, port));
  }
  if (!contains(hosts, local)) hosts.emplace_back(local);
  return hosts;
}

std::vector<std::string> origins_of(const std::vector<std::string>& hosts,
                                    const std::vector<std::string>& allowed) {
  std::vector<std::string> origins = allowed;
  for (const std::string& host : hosts) {
    origins.push_back("http://" + host);
  }
  return origins;
}

bool is_origin(std::string_view text) {
  const std::size_t scheme = text.find("://");
  if (scheme == 0 || scheme == std::string_view::npos) return false;
  const std::string_view host = text.substr(scheme + 3);
  const bool plain_text = std::all_of(
      text.begin(), text.end(), [](char c) { return c > ' ' && c <= '~' && c != ',' && c != '*'; });
  return plain_text && !host.empty() && host.find_first_of("/?#@") == std::string_view::npos;
}

HttpAnswer refusal(int status, std::string_view text) {
  return plain(status, text);
}

Decision decide(const HttpRequest& request, bool behind, const DoorRules& rules) {
  if (auto refused = check_form(request)) return *refused;
  if (auto refused = check_where_from(request, rules)) return *refused;
  const auto* endpoint = std::find_if(std::begin(endpoints), std::end(endpoints),
                                      [&](const auto& row) { return row.path == request.target; });
  const bool upgrades = endpoint != std::end(endpoints);
  const Page* page = find_page(request.target);
  if (!upgrades && page == nullptr) {
    return plain(404, fmt::format("there is no \"{}\" here", shown(request.target)));
  }
  const bool head = request.method == "HEAD" && !upgrades;
  if (request.method != "GET" && !head) {
    return plain(405, "GET is all that is answered here",
                 upgrades ? "Allow: GET\r\n" : "Allow: GET, HEAD\r\n");
  }
  if (!upgrades) return answer(*page, head);
  // it cannot know yet whether this is a WebSocket: what it has sent is meant for something else
  if (behind) return plain(400, "nothing follows a request until it is answered");
  return upgrade(request, *endpoint, rules);
}

} // namespace kdbg::server
