#include "protocols/gdb/text.hpp"
#include "tests/fakes/recording_client.hpp"

#include <catch2/catch.hpp>

namespace kdbg::gdb {
namespace {

using Catch::Matchers::Contains;
using fakes::GdbClient;
using fakes::Machine;

/// What `monitor LINE` shows; the answer must end in OK.
std::string monitor(GdbClient& client, std::string_view line) {
  std::string heard = client.ask("qRcmd," + to_hex(bytes_of(line)));
  if (!heard.ends_with("OK")) return "no OK: " + heard;
  std::string text;
  Scanner scanner(heard);
  for (std::string_view word = scanner.until('|'); word.starts_with("O") && word != "OK";
       word = scanner.until('|')) {
    text += text_of(*from_hex(word.substr(1)));
  }
  return text;
}

TEST_CASE("help lists every command, and is what an empty line gets") {
  Machine machine;
  GdbClient client(machine);
  const std::string help = monitor(client, "help");
  for (const char* word :
       {"help", "points", "caps", "regs", "translate ADDR", "console", "reset"}) {
    CHECK_THAT(help, Contains(word));
  }
  CHECK(monitor(client, "") == help);
  CHECK(monitor(client, "  help") == help);
}

TEST_CASE("an unknown command is answered in words") {
  Machine machine;
  GdbClient client(machine);
  CHECK(monitor(client, "info mem") == "unknown command \"info\"; `monitor help` lists them\n");
}

TEST_CASE("points and capabilities") {
  Machine machine;
  machine.target.can.notes = {"no int3 exits here"};
  GdbClient client(machine);
  CHECK(monitor(client, "points") == "no points\n");
  client.ask("Z2,3000,4");
  CHECK(monitor(client, "points") == "write watch of 4 bytes at 0x3000: toy site, 0 hits\n");
  const std::string caps = monitor(client, "caps");
  CHECK_THAT(caps, Contains("hardware slots     4\n"));
  CHECK_THAT(caps, Contains("stepped watch      no\n"));
  CHECK_THAT(caps, Contains("note: no int3 exits here\n"));
}

TEST_CASE("regs shows numbers, also of what is not in g") {
  Machine machine;
  machine.target.poke(VcpuId{1}, fakes::toy_cr, 0x80000011);
  GdbClient client(machine);
  client.ask("Hg2");
  const std::string regs = monitor(client, "regs");
  CHECK_THAT(regs, Contains("cr             0x0000000080000011\n"));
  CHECK_THAT(regs, Contains("none           none is not readable here\n"));
  CHECK_THAT(regs, Contains("flags          0x00000000\n"));
}

TEST_CASE("translate walks one address") {
  Machine machine;
  GdbClient client(machine);
  CHECK(monitor(client, "translate 0x1234") ==
        "0x1234 is physical 0x101234, in a page of 0x1000: read-only, user, executable\n"
        "  toy table: 0x1234\n");
  CHECK(monitor(client, "translate 1234") == monitor(client, "translate 0x1234"));
  CHECK(monitor(client, "translate 0x2000") == "error: 0x2000 is not mapped\n");
  CHECK_THAT(monitor(client, "translate"), Contains("error: address expected"));
  CHECK_THAT(monitor(client, "translate 0x1 2"), Contains("error: unexpected"));
}

TEST_CASE("the console takes a line and shows what the guest wrote") {
  Machine machine;
  GdbClient client(machine);
  CHECK(monitor(client, "console") == "toy console\n");
  machine.target.start_running();
  CHECK(monitor(client, "console ls -l") == "toy console\nls -l\n");
  CHECK(machine.target.typed == "ls -l\n");
}

TEST_CASE("reset needs run control and a stopped guest") {
  Machine machine;
  GdbClient client(machine);
  CHECK_THAT(monitor(client, "reset"), Contains("first instruction"));
  CHECK(machine.target.counts.resets == 1);
  machine.target.start_running();
  CHECK(monitor(client, "reset") == "error: the guest is running; interrupt it first\n");
}

TEST_CASE("long output is cut into packets") {
  Machine machine;
  machine.target.can.notes.assign(2000, std::string(100, 'n'));
  GdbClient client(machine);
  const std::string caps = monitor(client, "caps");
  CHECK(caps.size() > 200'000);
  CHECK(caps.ends_with("n\n"));
}

} // namespace
} // namespace kdbg::gdb
