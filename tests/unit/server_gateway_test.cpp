#include "adapter/server/gateway/dap_words.hpp"
#include "adapter/server/gateway/door.hpp"
#include "adapter/server/gateway/sniff.hpp"
#include "adapter/server/gateway/websocket.hpp"
#include "protocols/gdb/protocol.hpp"
#include "protocols/state/protocol.hpp"

#include <catch2/catch.hpp>

#include <fmt/format.h>

namespace kdbg::server {
namespace {

using Kind = Sniffed::Kind;

Kind sniffed(std::string_view said) {
  static const Protocol protocols[] = {gdb::protocol(), state::protocol()};
  return sniff(protocols, said).kind;
}

TEST_CASE("the first bytes decide, however they come") {
  const std::pair<std::string_view, Kind> openings[] = {
      {"+", Kind::protocol},
      {"-", Kind::protocol},
      {"$qSupported", Kind::protocol},
      {"\x03", Kind::protocol},
      {"%Kvm", Kind::protocol},
      {"state\n", Kind::protocol},
      {"Content-Length: 5", Kind::dap},
      {"GET / HTTP/1.1", Kind::http},
      {"HEAD /", Kind::http},
      {"POST /", Kind::http},
      {"CONNECT a:1", Kind::http},
      {"OPTIONS *", Kind::http},
      {"GETS", Kind::nothing},
      {"get / ", Kind::nothing},
      {"\x16\x03\x01", Kind::nothing},
      {"content-length:", Kind::nothing},
      {"Content-Lengthy", Kind::nothing},
      {" GET /", Kind::nothing},
      {std::string_view("\0", 1), Kind::nothing},
      {"\xff", Kind::nothing},
  };
  for (const auto& [text, kind] : openings) {
    INFO(text);
    CHECK(sniffed(text) == kind);
    // by single bytes: undecided, then that and nothing else
    bool decided = false;
    for (std::size_t length = 1; length <= text.size(); ++length) {
      const Kind now = sniffed(text.substr(0, length));
      CHECK(now == (decided || now != Kind::undecided ? kind : Kind::undecided));
      decided = now != Kind::undecided;
    }
    CHECK(decided);
  }
  CHECK(sniffed("") == Kind::undecided);
  CHECK(sniffed("C") == Kind::undecided);
  CHECK(sniffed("CON") == Kind::undecided);
  CHECK(sniffed("P") == Kind::undecided);
}

constexpr std::string_view control = "c0ffee", observer = "0b5e7e";

DoorRules rules() {
  DoorRules out;
  out.hosts = hosts_of("127.0.0.1:1234", 1234, true);
  out.origins = origins_of(out.hosts, {"https://allowed.example"});
  out.tokens = {std::string(control), std::string(observer)};
  return out;
}

/// The status of the answer, or -1 for an upgrade.
int status_of(const Decision& decision) {
  const auto* answer = std::get_if<HttpAnswer>(&decision);
  return answer == nullptr ? -1 : answer->status;
}

HttpRequest parsed(std::string_view text) {
  HttpHead head;
  const auto taken = head.take(text);
  REQUIRE(taken);
  REQUIRE(head.whole());
  return head.request();
}

Decision decided(std::string_view text, const DoorRules& by = rules()) {
  HttpHead head;
  const auto taken = head.take(text);
  REQUIRE(taken);
  REQUIRE(head.whole());
  return decide(head.request(), *taken < text.size(), by);
}

std::string
upgrade(std::string_view path, std::string_view more, std::string_view host = "127.0.0.1:1234") {
  return fmt::format("GET {} HTTP/1.1\r\nHost: {}\r\nConnection: keep-alive, Upgrade\r\n"
                     "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                     "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n{}\r\n",
                     path, host, more);
}
const std::string with_token =
    fmt::format("Sec-WebSocket-Protocol: dap.v1, kvmdbg.token.{}\r\n", control);

TEST_CASE("a page is given to those who ask by the right name") {
  const auto get = [](std::string_view host) {
    return status_of(decided(fmt::format("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", host)));
  };
  for (const char* host : {"127.0.0.1:1234", "localhost:1234", "[::1]:1234"}) {
    INFO(host);
    CHECK(get(host) == 200);
  }
  for (const char* host :
       {"evil.example:1234", "127.0.0.1", "127.0.0.1:1235", "localhost", "localhost6:1234",
        "localhost.:1234", "LOCALHOST:1234", "0177.0.0.1:1234", "2130706433:1234", "127.1:1234",
        "[::ffff:127.0.0.1]:1234", "127.0.0.1:01234", "a@127.0.0.1:1234", ""}) {
    INFO(host);
    CHECK(get(host) == 403);
  }
  CHECK(status_of(decided("GET / HTTP/1.1\r\n\r\n")) == 400);
  CHECK(status_of(decided("GET / HTTP/1.1\r\nHost: 127.0.0.1:1234\r\nHost: evil\r\n\r\n")) == 400);
}

TEST_CASE("what an answer says of itself") {
  const Decision decision = decided("GET / HTTP/1.1\r\nHost: localhost:1234\r\n\r\n");
  const std::string& bytes = std::get<HttpAnswer>(decision).bytes;
  for (const char* field :
       {"\r\nContent-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; "
        "connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'\r\n",
        "\r\nCache-Control: no-store\r\n", "\r\nX-Content-Type-Options: nosniff\r\n",
        "\r\nReferrer-Policy: no-referrer\r\n", "\r\nConnection: close\r\n"}) {
    INFO(field);
    CHECK(bytes.find(field) != std::string::npos);
  }
  CHECK(bytes.find("Access-Control") == std::string::npos);
  const Decision head = decided("HEAD / HTTP/1.1\r\nHost: localhost:1234\r\n\r\n");
  CHECK(std::get<HttpAnswer>(head).bytes.ends_with("\r\n\r\n"));
}

TEST_CASE("what is not there, or is asked for in another way") {
  const auto ask = [](std::string_view line, std::string_view more = "") {
    return status_of(decided(fmt::format("{}\r\nHost: localhost:1234\r\n{}\r\n", line, more)));
  };
  CHECK(ask("GET /etc/passwd HTTP/1.1") == 404);
  CHECK(ask("GET /../../etc/passwd HTTP/1.1") == 404);
  CHECK(ask("GET /%2e%2e/ HTTP/1.1") == 404);
  CHECK(ask("GET //etc/passwd HTTP/1.1") == 404);
  CHECK(ask("GET /?x HTTP/1.1") == 404);
  CHECK(ask("GET http://localhost:1234/ HTTP/1.1") == 400);
  CHECK(ask("OPTIONS * HTTP/1.1") == 400);
  CHECK(ask("DELETE / HTTP/1.1") == 405);
  CHECK(ask("HEAD /dap HTTP/1.1") == 405);
  CHECK(ask("GET / HTTP/1.0") == 400);
  CHECK(ask("POST / HTTP/1.1", "Content-Length: 4\r\n") == 400);
  CHECK(ask("POST / HTTP/1.1", "Transfer-Encoding: chunked\r\n") == 400);
  CHECK(ask("GET /dap HTTP/1.1") == 426);
  CHECK(ask("GET /rsp HTTP/1.1", "Upgrade: h2c\r\nConnection: Upgrade\r\n") == 426);
}

TEST_CASE("pages of other sites may not come, with a token or without") {
  const auto come = [](std::string_view origin) {
    return status_of(decided(upgrade("/dap", fmt::format("Origin: {}\r\n{}", origin, with_token))));
  };
  CHECK(come("http://127.0.0.1:1234") == -1);
  CHECK(come("http://localhost:1234") == -1);
  CHECK(come("https://allowed.example") == -1);
  for (const char* origin :
       {"null", "https://evil.example", "http://127.0.0.1:4321", "https://127.0.0.1:1234",
        "http://localhost:1234.evil.example", "https://allowed.example.evil.example",
        "https://allowed.example:8080", "HTTP://localhost:1234", "file://", ""}) {
    INFO(origin);
    CHECK(come(origin) == 403);
  }
  CHECK(status_of(decided(upgrade("/dap", "Origin: http://localhost:1234\r\n"))) == 403);
  CHECK(status_of(decided("GET / HTTP/1.1\r\nHost: localhost:1234\r\nOrigin: null\r\n\r\n")) ==
        403);
  CHECK(status_of(decided(upgrade("/dap", with_token))) == -1); // no page at all
}

TEST_CASE("a token says what its bearer may do") {
  const auto role = [](std::string_view more, Role at_door = Role::control) -> std::optional<Role> {
    DoorRules by = rules();
    by.role = at_door;
    const Decision decision = decided(upgrade("/rsp", more), by);
    const auto* found = std::get_if<Upgrade>(&decision);
    if (found == nullptr) return {};
    return found->role;
  };
  CHECK(role("Sec-WebSocket-Protocol: kvmdbg.token.c0ffee\r\n") == Role::control);
  CHECK(role("Sec-WebSocket-Protocol: rsp.v1\r\nSec-WebSocket-Protocol: kvmdbg.token.0b5e7e\r\n") ==
        Role::observe);
  CHECK(role("Authorization: Bearer c0ffee\r\n") == Role::control);
  CHECK(role("Authorization: Bearer c0ffee\r\n", Role::observe) == Role::observe);
  for (const char* more :
       {"", "Sec-WebSocket-Protocol: rsp.v1\r\n", "Sec-WebSocket-Protocol: kvmdbg.token.\r\n",
        "Sec-WebSocket-Protocol: kvmdbg.token.c0ffef\r\n",
        "Sec-WebSocket-Protocol: kvmdbg.token.c0ffee0\r\n",
        "Sec-WebSocket-Protocol: kvmdbg.token.C0FFEE\r\n", "Authorization: Basic c0ffee\r\n",
        "Authorization: Bearer\r\n", "Authorization: Bearer \r\n", "Authorization: c0ffee\r\n",
        "Sec-WebSocket-Protocol: kvmdbg.token.c0ffee, kvmdbg.token.wrong\r\n",
        "Sec-WebSocket-Protocol: kvmdbg.token.c0ffee\r\nAuthorization: Bearer 0b5e7e\r\n"}) {
    INFO(more);
    CHECK_FALSE(role(more));
  }
  DoorRules none = rules();
  none.tokens = {};
  CHECK(status_of(decided(upgrade("/rsp", "Authorization: Bearer \r\n"), none)) == 403);
}

TEST_CASE("who accepts the upgrade sees no token") {
  const auto request = [](std::string_view more) {
    return std::get<Upgrade>(decided(upgrade("/dap", more))).request;
  };
  const std::string clean =
      request(with_token + "Sec-WebSocket-Extensions: permessage-deflate\r\nCookie: a=b\r\n");
  CHECK(clean == "GET /dap HTTP/1.1\r\nHost: 127.0.0.1:1234\r\nConnection: Upgrade\r\n"
                 "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                 "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
                 "Sec-WebSocket-Protocol: dap.v1\r\n\r\n");
  CHECK(request("Authorization: Bearer c0ffee\r\n").find("c0ffee") == std::string::npos);
  CHECK(status_of(decided(clean)) == 403); // it brings none
}

TEST_CASE("nothing may stand behind a request") {
  CHECK(status_of(decided(upgrade("/rsp", with_token) + "$g#67")) == 400);
  // a page is given, and what follows is read by nobody
  CHECK(status_of(decided("GET / HTTP/1.1\r\nHost: localhost:1234\r\n\r\n$g#67")) == 200);
}

TEST_CASE("an upgrade has a key and a version") {
  std::string text = upgrade("/rsp", with_token);
  const auto changed = [&](std::string_view from, std::string_view to) {
    std::string copy = text;
    copy.replace(copy.find(from), from.size(), to);
    return status_of(decided(copy));
  };
  CHECK(changed("Version: 13", "Version: 12") == 426);
  CHECK(changed("AAAAAA==", "AAAAA==") == 400);
  CHECK(changed("Sec-WebSocket-Key", "Sec-WebSocket-Kez") == 400);
}

TEST_CASE("a head comes in pieces") {
  const std::string text = upgrade("/dap", with_token);
  HttpHead head;
  for (std::size_t i = 0; i < text.size(); ++i) {
    REQUIRE_FALSE(head.whole());
    const auto taken = head.take(std::string_view(text).substr(i, 1));
    REQUIRE(taken);
    CHECK(*taken == 1);
  }
  REQUIRE(head.whole());
  CHECK(head.request().target == "/dap");
  HttpHead whole;
  CHECK(*whole.take(text + "$g#67") == text.size());
  CHECK(parsed(text).values("SEC-WEBSOCKET-VERSION") == std::vector<std::string_view>{"13"});
}

TEST_CASE("a head has a limit, and a form") {
  const auto refused = [](std::string_view text, std::size_t piece) {
    HttpHead head;
    for (std::size_t at = 0; at < text.size(); at += piece) {
      const auto taken = head.take(text.substr(at, piece));
      if (!taken) return taken.error().what;
    }
    return std::string();
  };
  const std::string start = "GET / HTTP/1.1\r\n";
  const std::string many = "a: b\r\n";
  std::string fields = start;
  while (fields.size() < 2 * HttpHead::longest) {
    fields += many;
  }
  for (const std::size_t piece : {std::size_t{1}, std::size_t{100}, std::size_t{1} << 20}) {
    CHECK(refused(start + "a: " + std::string(2 * HttpHead::longest, 'x'), piece) ==
          "the head of the request has more than 16384 bytes");
    CHECK(refused(fields, piece) == "the head of the request has more than 16384 bytes");
    CHECK(refused("GET " + std::string(2 * HttpHead::longest, '/'), piece) != "");
  }
  for (const char* text :
       {"GET  / HTTP/1.1\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "GET /\r\n\r\n",
        "GET / HTTP/1.1\r\nno field\r\n\r\n", "GET / HTTP/1.1\r\na\1: b\r\n\r\n",
        "GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", "GET / HTTP/1.1\nHost: x\n\n"}) {
    INFO(text);
    CHECK(refused(text, 1000) != "");
  }
}

TEST_CASE("addresses have names") {
  CHECK(hosts_of("127.0.0.1:80", 80, true) ==
        std::vector<std::string>{"127.0.0.1:80", "localhost:80", "[::1]:80"});
  CHECK(hosts_of("127.9.9.9:80", 80, true).back() == "127.9.9.9:80");
  CHECK(hosts_of("192.0.2.7:80", 80, false) == std::vector<std::string>{"192.0.2.7:80"});
  CHECK(hosts_of("", 0, true) == std::vector<std::string>{"localhost"});
  CHECK(is_origin("https://example.org"));
  CHECK(is_origin("http://[::1]:8080"));
  for (const char* text : {"", "*", "null", "example.org", "https://", "https://example.org/",
                           "https://*.example.org", "://x", "https://a b", "https://u@x"}) {
    INFO(text);
    CHECK_FALSE(is_origin(text));
  }
}

TEST_CASE("tokens are drawn anew") {
  auto one = Tokens::draw(), two = Tokens::draw();
  REQUIRE(one);
  REQUIRE(two);
  CHECK(one->control.size() == 64);
  CHECK(one->control.find_first_not_of("0123456789abcdef") == std::string::npos);
  CHECK(one->control != one->observe);
  CHECK(one->control != two->control);
  CHECK(one->role_of(one->observe) == Role::observe);
  CHECK_FALSE(one->role_of(two->control));
}

TEST_CASE("frames are as RFC 6455 has them") {
  CHECK(text_frame("Hello") == "\x81\x05Hello"); // its example in 5.7
  const std::string medium(256, 'x'), large(65536, 'x');
  CHECK(text_frame(medium) == std::string("\x81\x7e\x01\x00", 4) + medium);
  CHECK(text_frame(large) == std::string("\x81\x7f\0\0\0\0\0\x01\0\0", 10) + large);
  CHECK(close_frame(CloseCode::internal_error, "why") == "\x88\x05\x03\xf3why");
  std::string reason(122, 'a');
  reason += "\xc3\xa9";
  const std::string cut = close_frame(CloseCode::internal_error, reason);
  CHECK(cut.size() == 2 + 2 + 122); // the last character would not be whole
}

TEST_CASE("a debug adapter's client is told why there is none") {
  const auto answer =
      dap_refusal(R"({"seq":7,"type":"request","command":"initialize"})", "no \"x\"");
  REQUIRE(answer.size() == 1);
  CHECK(answer[0] ==
        R"({"seq":1,"type":"response","request_seq":7,"success":false,"command":"initialize",)"
        R"("message":"no \"x\"","body":{"error":{"id":1,"format":"no \"x\"","showUser":true}}})");
  for (const char* text : {"", "[]", "{", R"({"seq":"7","command":"x"})", R"({"seq":7})"}) {
    INFO(text);
    const auto bye = dap_refusal(text, "why");
    REQUIRE(bye.size() == 2);
    CHECK(bye[0].find(R"("output":"why\n")") != std::string::npos);
    CHECK(bye[1].find("terminated") != std::string::npos);
  }
  CHECK(dap_framed("{}") == "Content-Length: 2\r\n\r\n{}");
}

TEST_CASE("a first message may come in pieces, and has a limit") {
  const std::string text = "Content-Length: 2\r\nContent-Type: x\r\n\r\n{}";
  for (std::size_t length = 0; length < text.size(); ++length) {
    CHECK_FALSE(dap_first(std::string_view(text).substr(0, length)).over);
  }
  CHECK(dap_first(text).message == "{}");
  CHECK(dap_first(text + "more").message == "{}");
  for (const std::string& bad :
       {std::string("Content-Length: x\r\n\r\n"), std::string("Content-Length: 65537\r\n\r\n"),
        std::string("Content-Length: 99999999999999999999\r\n\r\n"),
        std::string("Content-Length: ") + std::string(70000, '1')}) {
    CHECK(dap_first(bad).over);
    CHECK(dap_first(bad).message.empty());
  }
}

} // namespace
} // namespace kdbg::server
