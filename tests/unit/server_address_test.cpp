#include "adapter/server/address.hpp"

#include <catch2/catch.hpp>

namespace kdbg::server {
namespace {

std::string parsed(std::string_view text, bool allow_remote = false) {
  auto address = parse_listen_address(text, allow_remote);
  return address ? describe(*address) : "error: " + address.error().what;
}

TEST_CASE("addresses as people write them") {
  CHECK(parsed("127.0.0.1:1234") == "127.0.0.1:1234");
  CHECK(parsed("[::1]:1234") == "[::1]:1234");
  CHECK(parsed(":1234") == "127.0.0.1:1234");
  CHECK(parsed("localhost:0") == "127.0.0.1:0");
  CHECK(parsed("127.1.2.3:65535") == "127.1.2.3:65535");
  CHECK(parsed("unix:/tmp/a b") == "unix:/tmp/a b");
}

TEST_CASE("beyond loopback only when asked for") {
  CHECK(parsed("0.0.0.0:1234").find("--allow-remote") != std::string::npos);
  CHECK(parsed("[::]:1234").find("--allow-remote") != std::string::npos);
  CHECK(parsed("192.168.0.1:1").find("--allow-remote") != std::string::npos);
  CHECK(parsed("0.0.0.0:1234", true) == "0.0.0.0:1234");
}

TEST_CASE("what is no address is refused") {
  for (const char* text :
       {"", "1234", "example.org:1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "::1:1234",
        "[127.0.0.1]:1", "[::1:1", "127.0.0.1:1x", ":", "unix:", "1.2.3:4"}) {
    INFO(text);
    auto address = parse_listen_address(text, true);
    REQUIRE_FALSE(address);
    CHECK(address.error().code == Code::bad_request);
    CHECK(address.error().what.starts_with("listen address \""));
  }
}

TEST_CASE("stdio is a word of its own") {
  auto address = parse_listen_address("stdio", false);
  REQUIRE(address);
  CHECK(std::holds_alternative<Stdio>(*address));
  CHECK(describe(*address) == "stdio");
  CHECK_FALSE(parse_listen_address("stdio:", false));
}

TEST_CASE("the path of a unix socket has a limit") {
  CHECK(parse_listen_address("unix:" + std::string(107, 'a'), false));
  CHECK(parsed("unix:" + std::string(108, 'a')).find("at most 107") != std::string::npos);
}

} // namespace
} // namespace kdbg::server
