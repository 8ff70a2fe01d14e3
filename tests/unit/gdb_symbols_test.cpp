#include "protocols/gdb/symbols.hpp"
#include "protocols/gdb/text.hpp"
#include "tests/fakes/recording_client.hpp"

#include <catch2/catch.hpp>

#include <fmt/format.h>

namespace kdbg::gdb {
namespace {

using fakes::GdbClient;
using fakes::Machine;

std::string hex(std::string_view name) {
  return to_hex(bytes_of(name));
}

TEST_CASE("the server asks for what it wants, one by one, and ends") {
  Machine machine;
  GdbClient client(machine);
  for (int round = 0; round < 2; ++round) { // a client asks again with each symbol file
    std::string question = client.ask("qSymbol::");
    for (std::string_view name : wanted_symbols()) {
      CHECK(question == "qSymbol:" + hex(name));
      question = client.ask(fmt::format("qSymbol:ffffffff81000000:{}", hex(name)));
    }
    CHECK(question == "OK");
  }
}

TEST_CASE("a client that knows none is done after as many questions") {
  Machine machine;
  GdbClient client(machine);
  std::string question = client.ask("qSymbol::");
  for (std::string_view name : wanted_symbols()) {
    question = client.ask(fmt::format("qSymbol::{}", hex(name)));
  }
  CHECK(question == "OK");
}

TEST_CASE("answers to questions that nobody asked are refused") {
  Machine machine;
  GdbClient client(machine);
  CHECK(client.ask("qSymbol:1:" + hex("init_task")) == "E16"); // linux_banner is the first
  CHECK(client.ask("qSymbol:1:zz") == "E16");
  CHECK(client.ask("qSymbol:1") == "E16");
  CHECK(client.ask("qSymbol:11111111111111111:" + hex("linux_banner")) == "E16");
  CHECK(client.ask("qSymbol:1:" + hex("linux_banner")) == "qSymbol:" + hex("init_task"));
}

} // namespace
} // namespace kdbg::gdb
