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
       {"help", "points", "caps", "regs", "translate ADDR", "console", "dump NAME", "reset",
        "linear-pc", "clients", "take", "symbols", "linux", "help [WORD]"}) {
    CHECK_THAT(help, Contains(word));
  }
  CHECK(monitor(client, "") == help);
  CHECK(monitor(client, "  help") == help);
}

TEST_CASE("help of a word says more, for every word there is") {
  Machine machine;
  GdbClient client(machine);
  const std::string help = monitor(client, "help");
  Scanner lines(help);
  std::size_t count = 0;
  for (std::string_view line = lines.until('\n'); !line.empty(); line = lines.until('\n')) {
    const std::string word(line.substr(0, line.find(' ')));
    const std::string more = monitor(client, "help " + word);
    CHECK(more.starts_with(line));
    CHECK(more.ends_with(".\n"));
    CHECK(more.size() > line.size() + 1);
    ++count;
  }
  CHECK(count >= 12);
  CHECK(monitor(client, "help nonsense") ==
        "unknown command \"nonsense\"; `monitor help` lists them\n");
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

TEST_CASE("the linear pc is pc, where there are no segments") {
  Machine machine;
  machine.target.poke(VcpuId{1}, fakes::toy_pc, 0x1010);
  GdbClient client(machine);
  client.ask("Hg2");
  CHECK(monitor(client, "linear-pc") == "pc 0x1010\n"
                                        "linear 0x1010\n"
                                        "this machine's code is not disassembled here\n");
  CHECK_THAT(monitor(client, "disas"), Contains("error: "));
  CHECK_THAT(monitor(client, "disas 1000 0"), Contains("0x0 instructions: 1 to 0x3e8"));
  CHECK_THAT(monitor(client, "disas 1000 3e9"), Contains("1 to 0x3e8"));
  CHECK_THAT(monitor(client, "disas here"), Contains("address expected"));
}

TEST_CASE("clients are listed, and run control passes between them") {
  Machine machine;
  GdbClient one(machine), two(machine);
  one.ask("Z1,1000,1");
  one.ask("s");
  machine.target.stop_now(VcpuId{0}, Stepped{});
  one.heard();
  CHECK(monitor(two, "clients") == "client 1: from nowhere, 1 points, has run control\n"
                                   "client 2 (you): from nowhere, 0 points\n");
  CHECK(two.ask("vCont;s:1").find("|T02") != std::string::npos); // refused, in words
  CHECK(monitor(two, "take") == "run control: client 2, before: client 1\n");
  CHECK(one.heard().empty()); // nothing that it did not ask for
  CHECK(one.ask("vCont;s:1").find("|T02") != std::string::npos);
  CHECK(one.ask("?").starts_with("T05"));
  CHECK(two.ask("vCont;s:1").empty());
  CHECK(monitor(one, "take") == "run control: client 1, before: client 2\n");
  machine.target.stop_now(VcpuId{0}, Stepped{});
  CHECK(two.heard().starts_with("T05")); // its run, its stop
  CHECK(one.heard().empty());
}

TEST_CASE("the time line in words") {
  Machine machine;
  GdbClient client(machine);
  CHECK(monitor(client, "stops") == "no stops yet\n");
  client.ask("s");
  machine.target.stop_now({0, {{VcpuId{1}, {Stepped{}}}, {VcpuId{0}, {Interrupted{}}}}});
  client.heard();
  const std::string stops = monitor(client, "stops");
  CHECK_THAT(stops, Catch::Matchers::Matches(
                        "\\d\\d:\\d\\d:\\d\\d\\.\\d+ run 1, client 1: vCPU 1: stepped\n"
                        "\\d\\d:\\d\\d:\\d\\d\\.\\d+ run 1, client 1: vCPU 0: interrupted\n"));
}

TEST_CASE("tables and MSRs that this CPU family has not") {
  Machine machine;
  GdbClient client(machine);
  CHECK(monitor(client, "table idt") == "error: this CPU family has no descriptor tables\n");
  CHECK(monitor(client, "table") == "error: no table \"\": idt, gdt, ldt or tss\n");
  CHECK(monitor(client, "msr 10") == "error: this CPU family has no MSRs by number\n");
  CHECK(monitor(client, "msr 100000000") == "error: MSR 0x100000000: numbers have 32 bits\n");
  machine.target.start_running();
  CHECK(monitor(client, "msr 10 1") == "error: the guest is running; interrupt it first\n");
}

TEST_CASE("a client that lost control still detaches, and the guest stays as it is") {
  Machine machine;
  GdbClient one(machine), two(machine);
  one.ask("Z1,1000,1");
  one.ask("s");
  machine.target.stop_now(VcpuId{0}, Stepped{});
  one.heard();
  monitor(two, "take");
  CHECK(one.ask("D") == "OK");
  CHECK_FALSE(machine.target.running());
  CHECK(machine.target.points().empty());
}

TEST_CASE("symbols that the client told, and the Linux version read by them") {
  Machine machine;
  GdbClient client(machine);
  CHECK_THAT(monitor(client, "symbols"), Contains("offered no symbols"));
  CHECK_THAT(monitor(client, "linux"), Contains("no linux_banner"));
  client.ask("qSymbol::");
  client.ask("qSymbol:5000:" + to_hex(bytes_of("linux_banner")));
  client.ask("qSymbol::" + to_hex(bytes_of("init_task")));
  const std::string shown = monitor(client, "symbols");
  CHECK_THAT(shown, Contains("linux_banner   0x5000\n"));
  CHECK_THAT(shown, Contains("init_task      not known to the client\n"));
  CHECK(monitor(client, "linux") == "error: no memory at 0x5000\n");
  const std::string banner = "Linux version 6.1.0 (somebody) #1 SMP\n";
  Bytes& ram = machine.target.ram[0x5000];
  ram.resize(600);
  std::copy_n(bytes_of(banner).begin(), banner.size(), ram.begin());
  CHECK(monitor(client, "linux") == banner);
  ram[0] = std::byte{'l'};
  CHECK_THAT(monitor(client, "linux"), Contains("at 0x5000, where linux_banner should be"));
}

} // namespace
} // namespace kdbg::gdb
