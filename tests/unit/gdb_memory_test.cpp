#include "tests/fakes/recording_client.hpp"

#include <catch2/catch.hpp>

namespace kdbg::gdb {
namespace {

using fakes::GdbClient;
using fakes::Machine;

TEST_CASE("m reads up to the first hole") {
  Machine machine;
  GdbClient client(machine);
  CHECK(client.ask("m1000,4") == "00010203");
  CHECK(client.ask("m1fff,1") == "ff");
  CHECK(client.ask("m1fff,2") == "ff");
  CHECK(client.ask("m2000,1") == "E14");
  CHECK(client.ask("m0,1") == "E14");
  CHECK(client.ask("m1000,0").empty());
}

TEST_CASE("a read never runs round the end of the address space") {
  Machine machine;
  machine.target.ram[0xfffffffffffffffe] = {std::byte{1}, std::byte{2}};
  machine.target.ram[0] = {std::byte{3}};
  GdbClient client(machine);
  CHECK(client.ask("mfffffffffffffffe,4") == "0102");
  CHECK(client.ask("mffffffffffffffff,1") == "02");
  CHECK(client.ask("xffffffffffffffff,ffff") == "b\x02");
  CHECK(client.ask("m0,1") == "03");
}

TEST_CASE("a write that would run round the end is refused") {
  Machine machine;
  machine.target.ram[0xffffffffffffffff] = {std::byte{1}};
  machine.target.ram[0] = {std::byte{3}};
  GdbClient client(machine);
  CHECK(client.ask("Mffffffffffffffff,2:0505") == "E14");
  CHECK(client.ask("mffffffffffffffff,1") == "01");
  CHECK(client.ask("Mffffffffffffffff,1:05") == "OK");
  CHECK(client.ask("mffffffffffffffff,1") == "05");
}

TEST_CASE("M and X write all or nothing") {
  Machine machine;
  GdbClient client(machine);
  CHECK(client.ask("M1000,2:fffe") == "OK");
  CHECK(client.ask("m1000,3") == "fffe02");
  CHECK(client.ask("M1ffe,4:00000000") == "E14");
  CHECK(client.ask("m1ffe,2") == "feff");
  CHECK(client.ask("M1000,0:") == "OK");
  CHECK(client.ask("X1000,0:") == "OK");
  CHECK(client.ask("X2000,0:") == "OK"); // a probe of the packet, not of the address
  CHECK(client.ask("X1000,3:a:,") == "OK");
  CHECK(client.ask("m1000,3") == "613a2c");
  CHECK(client.ask("X1000,3:ab") == "E16");
  CHECK(client.ask("X1000,3:abcd") == "E16");
  CHECK(client.ask("X1000,3") == "E16");
}

TEST_CASE("writes need a stopped guest, physical reads do not") {
  Machine machine;
  GdbClient client(machine);
  machine.target.start_running();
  CHECK(client.ask("m1000,1") == "E10");
  CHECK(client.ask("M1000,1:00") == "E10");
  CHECK(client.ask("Qqemu.PhyMemMode:1") == "OK");
  CHECK(client.ask("m1000,1") == "00");
  CHECK(client.ask("M1000,1:00") == "E10");
  CHECK(client.ask("X1000,0:") == "OK");
}

TEST_CASE("points are in the space that the client has chosen") {
  Machine machine;
  GdbClient client(machine);
  CHECK(client.ask("Qqemu.PhyMemMode:1") == "OK");
  CHECK(client.ask("Z0,1000,1") == "OK");
  REQUIRE(machine.target.points().size() == 1);
  CHECK(machine.target.points()[0].point.at.space.kind == Space::Kind::physical);
  CHECK(client.ask("z0,1000,1") == "OK");
}

TEST_CASE("hex comes with its runs shortened, binary as it is") {
  Machine machine;
  machine.target.ram[0x8000] = Bytes(0x200);
  GdbClient client(machine);
  client.feed(frame("m8000,200"));
  CHECK(client.raw().size() < 100);
  CHECK(client.ask("m8000,200") == std::string(0x400, '0'));
  client.feed(frame("x8000,200"));
  CHECK(client.raw() == frame("b" + std::string(0x200, '\0')));
}

} // namespace
} // namespace kdbg::gdb
