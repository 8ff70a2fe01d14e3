#include "adapter/server/console_feed.hpp"

#include <catch2/catch.hpp>

#include <chrono>
#include <thread>
#include <vector>

namespace kdbg::server {
namespace {

void put(ConsoleFeed& feed, std::string_view text) {
  for (const char c : text) {
    feed.put(static_cast<std::byte>(c));
  }
}

TEST_CASE("console output of another thread is delivered in pieces, whole and in order") {
  boost::asio::io_context io;
  std::vector<std::string> pieces;
  ConsoleFeed feed(io, [&](std::string text) { pieces.push_back(std::move(text)); });
  std::thread guest([&] { put(feed, "one line\n"); });
  guest.join();
  io.run();
  CHECK(pieces == std::vector<std::string>{"one line\n"});
  put(feed, "another");
  io.restart();
  io.run();
  CHECK(pieces == std::vector<std::string>{"one line\n", "another"});
}

TEST_CASE("a flood of console output is delivered in pieces that fit a packet") {
  boost::asio::io_context io;
  std::vector<std::size_t> pieces;
  ConsoleFeed feed(io, [&](const std::string& text) { pieces.push_back(text.size()); });
  put(feed, std::string(2 * ConsoleFeed::longest + 1, '\x01'));
  io.run();
  CHECK(pieces == std::vector<std::size_t>{ConsoleFeed::longest, ConsoleFeed::longest, 1});
}

TEST_CASE("a feed without output does nothing") {
  boost::asio::io_context io;
  ConsoleFeed feed(io, [](std::string) { FAIL("delivered"); });
  CHECK(io.run() == 0);
}

} // namespace
} // namespace kdbg::server
