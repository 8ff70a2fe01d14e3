#include "tests/fakes/recording_client.hpp"

#include <catch2/catch.hpp>

namespace kdbg::gdb {
namespace {

using fakes::GdbClient;
using fakes::Machine;

constexpr VcpuId first{0}, second{1};

std::string zeros(std::size_t bits) {
  return std::string(bits / 4, '0');
}

/// g of a fresh toy machine.
std::string fresh() {
  return zeros(6 * 64 + 32 + 128);
}

TEST_CASE("g holds the registers that belong in it, little-endian, in table order") {
  Machine machine;
  GdbClient client(machine);
  CHECK(client.ask("g") == fresh());
  machine.target.poke(first, RegisterId{0}, 0x1122);
  machine.target.poke(first, fakes::toy_flags, 0xa0b0c0d0);
  CHECK(client.ask("g") == "2211" + zeros(6 * 64 - 16) + "d0c0b0a0" + zeros(128));
}

TEST_CASE("g is of the selected vCPU") {
  Machine machine;
  GdbClient client(machine);
  machine.target.poke(second, RegisterId{0}, 0xff);
  CHECK(client.ask("Hg2") == "OK");
  CHECK(client.ask("g").starts_with("ff00"));
  CHECK(client.ask("Hg0") == "OK"); // any: stays
  CHECK(client.ask("g").starts_with("ff00"));
  CHECK(client.ask("Hgp1.1") == "OK");
  CHECK(client.ask("g") == fresh());
}

TEST_CASE("p reads every register of the table, also beyond g") {
  Machine machine;
  GdbClient client(machine);
  machine.target.poke(first, fakes::toy_cr, 0x80000001);
  CHECK(client.ask("p6") == "00000000");
  CHECK(client.ask("p07") == zeros(128));
  CHECK(client.ask("p8") == "0100008000000000");
  CHECK(client.ask("p9") == std::string(16, 'x'));
  CHECK(client.ask("pa") == "E16");
  CHECK(client.ask("pffffffffffffffff") == "E16");
  CHECK(client.ask("p0;thread") == "E16");
}

TEST_CASE("P writes one register of exactly its width") {
  Machine machine;
  GdbClient client(machine);
  CHECK(client.ask("P5=0010000000000000") == "OK");
  CHECK(machine.target.peek(first, fakes::toy_pc) == 0x1000);
  CHECK(client.ask("P6=01020304") == "OK");
  CHECK(machine.target.peek(first, fakes::toy_flags) == 0x04030201);
  CHECK(client.ask("P6=0102030405060708") == "E16");
  CHECK(client.ask("P6=") == "E16");
  CHECK(client.ask("P6=0102030g") == "E16");
  CHECK(client.ask("P9=0000000000000000") == "E5f");
  CHECK(machine.target.counts.register_writes == 2);
}

TEST_CASE("G writes only what differs") {
  Machine machine;
  GdbClient client(machine);
  CHECK(client.ask("G" + fresh()) == "OK");
  CHECK(machine.target.counts.register_writes == 0);
  std::string changed = fresh();
  changed.replace(16, 2, "7f");                 // r1
  changed.replace(changed.size() - 2, 2, "01"); // top of v0
  CHECK(client.ask("G" + changed) == "OK");
  CHECK(machine.target.counts.register_writes == 2);
  CHECK(machine.target.peek(first, RegisterId{1}) == 0x7f);
  CHECK(client.ask("g") == changed);
}

TEST_CASE("G passes over what the client does not know") {
  Machine machine;
  GdbClient client(machine);
  machine.target.poke(first, RegisterId{0}, 5);
  CHECK(client.ask("G" + std::string(fresh().size(), 'x')) == "OK");
  CHECK(machine.target.peek(first, RegisterId{0}) == 5);
}

TEST_CASE("a G that is off writes nothing") {
  Machine machine;
  GdbClient client(machine);
  std::string text(fresh().size(), 'f');
  CHECK(client.ask("G" + text + "00") == "E16");
  CHECK(client.ask("G" + text.substr(2)) == "E16");
  CHECK(client.ask("G") == "E16");
  text.back() = 'g';
  CHECK(client.ask("G" + text) == "E16");
  CHECK(machine.target.counts.register_writes == 0);
}

TEST_CASE("a register that cannot be written is reported, the others are written") {
  Machine machine;
  GdbClient client(machine);
  std::string changed = fresh();
  changed.replace(0, 2, "01");
  changed.replace(16, 2, "02");
  machine.target.next_error = Error{Code::kernel, "cannot write r0", 5}; // hits the read of r0
  CHECK(client.ask("G" + changed) == "E05");
  CHECK(machine.target.peek(first, RegisterId{0}) == 0);
  CHECK(machine.target.peek(first, RegisterId{1}) == 2);
}

TEST_CASE("registers need a stopped guest") {
  Machine machine;
  GdbClient client(machine);
  machine.target.start_running();
  CHECK(client.ask("g") == "E10");
  CHECK(client.ask("p5") == "E10");
  CHECK(client.ask("P5=0010000000000000") == "E10");
  CHECK(client.ask("G" + fresh()) == "E10");
}

} // namespace
} // namespace kdbg::gdb
