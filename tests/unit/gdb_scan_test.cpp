#include "tests/fakes/recording_client.hpp"

#include <catch2/catch.hpp>

#include <fmt/format.h>

namespace kdbg::gdb {
namespace {

using fakes::GdbClient;
using fakes::Machine;

std::string search(GdbClient& client, std::string_view range, std::string_view pattern) {
  return client.ask(fmt::format("qSearch:memory:{};{}", range, pattern));
}

// The fake's memory: 0x1000-0x1fff and 0x3000-0x3fff, each byte the low byte of its address.

TEST_CASE("a search finds the first match of a binary pattern") {
  Machine machine;
  GdbClient client(machine);
  CHECK(search(client, "1000;1000", "\x12\x13") == "1,1012");
  CHECK(search(client, "1013;1000", "\x12\x13") == "1,1112");
  CHECK(search(client, "1000;1000", "#$}*") == "0");
  machine.target.ram[0x1000][0x800] = std::byte{'}'};
  machine.target.ram[0x1000][0x801] = std::byte{'#'};
  CHECK(search(client, "1000;1000", "}#") == "1,1800");
  CHECK(search(client, "1000;1000", "\x13\x12") == "0");
}

TEST_CASE("a search keeps to its range") {
  Machine machine;
  GdbClient client(machine);
  CHECK(search(client, "1000;14", "\x12\x13") == "1,1012");
  CHECK(search(client, "1000;13", "\x12\x13") == "0");
  CHECK(search(client, "1012;2", "\x12\x13") == "1,1012");
  CHECK(search(client, "1000;1", "\x12\x13") == "0");
  CHECK(search(client, "1000;0", "\x12") == "0");
}

TEST_CASE("a hole ends a search, and is an error where it begins") {
  Machine machine;
  GdbClient client(machine);
  CHECK(search(client, "1ff0;2000", "\xfe\xff") == "1,1ffe");
  CHECK(search(client, "1ff0;2000", "\x01\x02") == "0"); // at 0x3001, behind the hole
  CHECK(search(client, "1000;ffffffffffffffff", "on") == "0");
  CHECK(search(client, "2000;1000", "\x01") == "E14");
  CHECK(search(client, "ffffffffffffffff;ffffffffffffffff", "\x01") == "E14");
}

TEST_CASE("a search does not go round the end of the address space") {
  Machine machine;
  machine.target.ram[0] = Bytes(0x100, std::byte{7});
  machine.target.ram[0xffffffffffffff00] = Bytes(0x100, std::byte{1});
  GdbClient client(machine);
  CHECK(search(client, "ffffffffffffff00;ffffffffffffffff", "\x07") == "0");
  CHECK(search(client, "ffffffffffffff00;ffffffffffffffff", "\x01\x01") == "1,ffffffffffffff00");
}

TEST_CASE("searches that mean nothing are refused") {
  Machine machine;
  GdbClient client(machine);
  CHECK(search(client, "1000;10", "") == "E16");
  for (const char* words :
       {"", "1000", "1000;", "1000;10", ";10;a", "x;10;a", "1000;y;a", "11111111111111111;1;a"}) {
    CHECK(client.ask("qSearch:memory:" + std::string(words)) == "E16");
  }
  machine.target.start_running();
  CHECK(search(client, "1000;10", "\x01") == "E10");
}

TEST_CASE("a pattern may lie across what is read at once, and be longer than that") {
  constexpr std::size_t slice = std::size_t{1} << 20;
  Machine machine;
  GdbClient client(machine);
  Bytes& ram = machine.target.ram[0x100000] = Bytes(2 * slice + 0x100);
  ram[slice - 1] = std::byte{0xaa};
  ram[slice] = std::byte{0xbb};
  CHECK(search(client, "100000;200100", "\xaa\xbb") == "1,1fffff");
  const std::string zeros(0x10000, '\0');
  CHECK(search(client, "100000;200100", "\xbb" + zeros) == "1,200000");
  CHECK(search(client, "100001;200000", zeros + "\xaa") ==
        fmt::format("1,{:x}", 0x1fffff - 0x10000));
  CHECK(search(client, "100000;200100", zeros + "\x01") == "0");
}

TEST_CASE("physical addresses are searched when they are what is meant") {
  Machine machine;
  GdbClient client(machine);
  client.ask("Qqemu.PhyMemMode:1");
  machine.target.start_running();
  CHECK(search(client, "1000;1000", "\x12\x13") == "1,1012");
}

TEST_CASE("the checksum is CRC-32 as gdb reckons it") {
  Machine machine;
  const std::string_view text = "123456789";
  Bytes& ram = machine.target.ram[0x5000];
  for (char c : text) {
    ram.push_back(static_cast<std::byte>(c));
  }
  GdbClient client(machine);
  CHECK(client.ask("qCRC:5000,9") == "C376e6e7"); // CRC-32/MPEG-2's check value is 0x0376e6e7
  CHECK(client.ask("qCRC:5000,0") == "Cffffffff");
  CHECK(client.ask("qCRC:5000,1") != client.ask("qCRC:5001,1"));
}

TEST_CASE("a checksum wants all of its range to be memory") {
  Machine machine;
  GdbClient client(machine);
  CHECK(client.ask("qCRC:1000,1000").starts_with("C"));
  CHECK(client.ask("qCRC:1000,1001") == "E14");
  CHECK(client.ask("qCRC:2000,1") == "E14");
  CHECK(client.ask("qCRC:ffffffffffffffff,2") == "E14");
  CHECK(client.ask("qCRC:1000,ffffffffffffffff") == "E14");
  for (const char* words : {"", "1000", "1000,", ",1", "1000,1,", "1000;1"}) {
    CHECK(client.ask("qCRC:" + std::string(words)) == "E16");
  }
}

} // namespace
} // namespace kdbg::gdb
