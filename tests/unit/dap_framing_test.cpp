#include "protocols/dap/message/framing.hpp"

#include <catch2/catch.hpp>

using namespace kdbg::dap;

namespace {

std::string error_of(std::string_view bytes) {
  Unframer unframer;
  unframer.feed(bytes);
  const auto next = unframer.next();
  const auto* error = std::get_if<kdbg::Error>(&next);
  return error ? error->what : "no error";
}

} // namespace

TEST_CASE("a message comes out as it went in, however it is cut") {
  const std::string bytes = frame("{\"a\":1}") + frame("") + frame("x");
  for (std::size_t step = 1; step <= bytes.size(); ++step) {
    Unframer unframer;
    std::vector<std::string> messages;
    for (std::size_t at = 0; at < bytes.size(); at += step) {
      unframer.feed(std::string_view(bytes).substr(at, step));
      for (auto next = unframer.next(); std::holds_alternative<std::string>(next);
           next = unframer.next()) {
        messages.push_back(std::get<std::string>(next));
      }
    }
    CHECK(messages == std::vector<std::string>{"{\"a\":1}", "", "x"});
    CHECK(!unframer.pending());
  }
}

TEST_CASE("other header fields mean nothing, and case does not matter") {
  Unframer unframer;
  unframer.feed("Content-Type: x\r\ncontent-length:  2 \r\n\r\n{}");
  CHECK(std::get<std::string>(unframer.next()) == "{}");
}

TEST_CASE("what is no frame is said") {
  CHECK(error_of("GET / HTTP/1.1\r\n\r\n").find("no colon") != std::string::npos);
  CHECK(error_of("A: b\r\n\r\n").find("Content-Length is missing") != std::string::npos);
  CHECK(error_of("Content-Length: -1\r\n\r\n").find("no number") != std::string::npos);
  CHECK(error_of("Content-Length: 1\r\nContent-Length: 2\r\n\r\n").find("twice") !=
        std::string::npos);
  CHECK(error_of("Content-Length: 1073741824\r\n\r\n").find("limit is 1048576") !=
        std::string::npos);
  CHECK(error_of(std::string(5000, 'x')).find("does not end") != std::string::npos);
  CHECK(error_of("Content-Length: 3\r\n\r\n{}") == "no error"); // it may still come
}
