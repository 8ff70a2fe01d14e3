#include "tests/fakes/recording_client.hpp"

#include <catch2/catch.hpp>

namespace kdbg::gdb {
namespace {

using Catch::Matchers::Contains;
using fakes::GdbClient;
using fakes::Machine;

TEST_CASE("signals are taken note of by nobody, but their lists must be lists") {
  Machine machine;
  GdbClient client(machine);
  for (const std::string packet : {"QPassSignals:", "QProgramSignals:"}) {
    CHECK(client.ask(packet) == "OK");
    CHECK(client.ask(packet + "e;10;14;17;1a;1b;1c;21;24;25;2c;4c;97") == "OK");
    CHECK(client.ask(packet + "e;;10") == "E16");
    CHECK(client.ask(packet + "no") == "E16");
  }
}

TEST_CASE("thread events may be asked for: there are none") {
  Machine machine;
  GdbClient client(machine);
  CHECK(client.ask("QThreadEvents:1") == "OK");
  CHECK(client.ask("QThreadEvents:0") == "OK");
  CHECK(client.ask("QThreadEvents:2") == "E16");
  CHECK(client.ask("QThreadEvents:") == "E16");
}

TEST_CASE("all-stop is what there is") {
  Machine machine;
  GdbClient client(machine);
  CHECK(client.ask("QNonStop:0") == "OK");
  CHECK(client.ask("QNonStop:1") == "E5f");
  CHECK(client.ask("QNonStop:yes") == "E16");
  client.ask("qSupported:error-message+");
  CHECK_THAT(client.ask("QNonStop:1"), Contains("E.non-stop mode is not supported"));
}

TEST_CASE("QEMU's step bits say what steps do here") {
  Machine machine;
  GdbClient client(machine);
  const bool blocks = GENERATE(false, true);
  machine.target.can.block_interrupts = blocks;
  CHECK(client.ask("qqemu.sstepbits") == (blocks ? "ENABLE=1,NOIRQ=2" : "ENABLE=1"));
  CHECK(client.ask("qqemu.sstep") == (blocks ? "0x3" : "0x1"));
  CHECK(client.ask("Qqemu.sstep=3") == (blocks ? "OK" : "E5f"));
  CHECK(client.ask("Qqemu.sstep=0x1") == (blocks ? "E5f" : "OK"));
  CHECK(client.ask("Qqemu.sstep=7") == "E5f");
  CHECK(client.ask("Qqemu.sstep=") == "E16");
  CHECK(client.ask("Qqemu.sstep=1 ") == "E16");
}

TEST_CASE("vCtrlC interrupts like the byte, and is answered") {
  Machine machine;
  GdbClient client(machine);
  CHECK(client.ask("vCtrlC") == "OK");
  CHECK(machine.target.counts.interrupts == 1);
  client.ask("c");
  CHECK(client.ask("vCtrlC") == "OK");
  CHECK(machine.target.counts.interrupts == 2);
  machine.target.stop_now(VcpuId{0}, Interrupted{client.session.id()});
  CHECK(client.heard().starts_with("T02"));
}

} // namespace
} // namespace kdbg::gdb
