#include "protocols/gdb/target_xml.hpp"
#include "protocols/gdb/text.hpp"
#include "tests/fakes/recording_client.hpp"

#include <catch2/catch.hpp>

#include <fmt/format.h>

namespace kdbg::gdb {
namespace {

using Catch::Matchers::Contains;
using fakes::GdbClient;
using fakes::Machine;

TEST_CASE("qSupported promises what was asked for and works here") {
  Machine machine;
  GdbClient client(machine);
  const std::string base =
      "PacketSize=20000;QStartNoAckMode+;vContSupported+;qXfer:features:read+;"
      "qXfer:threads:read+;qXfer:osdata:read+;QPassSignals+;"
      "QProgramSignals+;QThreadEvents+;binary-upload+;ConditionalBreakpoints+;BreakpointCommands+";
  CHECK(client.ask("qSupported") == base);
  CHECK(client.ask("qSupported:") == base);
  CHECK(client.ask("qSupported:;;foo=bar;multiprocess-;swbreak?") == base);
  CHECK(client.ask("qSupported:hwbreak+;swbreak+;multiprocess+;error-message+") ==
        base + ";multiprocess+;swbreak+;hwbreak+;error-message+");
  machine.target.can.hardware_slots = 0;
  CHECK(client.ask("qSupported:swbreak+;hwbreak+") == base + ";swbreak+");
  machine.target.can.software_points = false;
  CHECK(client.ask("qSupported:swbreak+;hwbreak+") == base);
}

TEST_CASE("features are forgotten when they are agreed on anew") {
  Machine machine;
  GdbClient client(machine);
  client.ask("qSupported:multiprocess+");
  CHECK(client.ask("qC") == "QCp1.1");
  client.ask("qSupported");
  CHECK(client.ask("qC") == "QC1");
}

TEST_CASE("threads are vCPUs from 1, in hex") {
  Machine machine(17);
  GdbClient client(machine);
  client.ask("qSupported:multiprocess+");
  const std::string list = client.ask("qfThreadInfo");
  CHECK(list.starts_with("mp1.1,p1.2,"));
  CHECK(list.ends_with(",p1.f,p1.10,p1.11"));
  CHECK(client.ask("qsThreadInfo") == "l");
  CHECK(client.ask("Tp1.11") == "OK");
  CHECK(client.ask("T11") == "OK");
  CHECK(client.ask("Tp1.12") == "E03");
  CHECK(client.ask("Tp0.1") == "OK");
  CHECK(client.ask("Tp2.1") == "E03");
  CHECK(client.ask("T") == "E16");
  CHECK(client.ask("Tp1.") == "E16");
  CHECK(client.ask("T-2") == "E16");
  CHECK(client.ask("T1x") == "E16");
  CHECK(client.ask("Hg11") == "OK");
  CHECK(client.ask("qC") == "QCp1.11");
}

TEST_CASE("qXfer hands out slices that join to the document") {
  Machine machine;
  GdbClient client(machine);
  const std::string document = render_target_xml(machine.target.arch());
  const std::size_t size = GENERATE(std::size_t{1}, 7U, 0xffbU, 0x1ffffU);
  std::string joined;
  for (;;) {
    const std::string piece = client.ask("qXfer:features:read:target.xml:" +
                                         fmt::format("{:x},{:x}", joined.size(), size));
    REQUIRE_FALSE(piece.empty());
    joined += piece.substr(1);
    if (piece[0] == 'l') break;
    REQUIRE(piece[0] == 'm');
    REQUIRE(piece.size() == size + 1);
  }
  CHECK(joined == document);
}

TEST_CASE("qXfer at its edges") {
  Machine machine;
  GdbClient client(machine);
  const std::size_t end = render_target_xml(machine.target.arch()).size();
  const std::string ask = "qXfer:features:read:target.xml:";
  CHECK(client.ask(ask + fmt::format("{:x},10", end)) == "l");
  CHECK(client.ask(ask + fmt::format("{:x},10", end + 1)) == "E16");
  CHECK(client.ask(ask + fmt::format("{:x},10", end - 1)) == "l\n");
  CHECK(client.ask(ask + "0,0") == "m");
  CHECK(client.ask(ask + "0,ffffffffffffffff").size() == end + 1);
  CHECK(client.ask(ask + "ffffffffffffffff,1") == "E16");
  CHECK(client.ask(ask) == "E16");
  CHECK(client.ask("qXfer:features:read::0,10") == "E00");
  CHECK(client.ask("qXfer:features:write:target.xml:0:").empty());
  CHECK(client.ask("qXfer:memory-map:read::0,10").empty());
}

TEST_CASE("Arm's vector registers have gdb's lanes: $v0.d.f[1], $z0.b.u[31], $p0[3]") {
  constexpr RegisterInfo registers[] = {{"v0", 128, "aarch64v", "org.gnu.gdb.aarch64.fpu"},
                                        {"z0", 256, "svev", "org.gnu.gdb.aarch64.sve"},
                                        {"p0", 32, "svep", "org.gnu.gdb.aarch64.sve"}};
  ArchInfo arch;
  arch.registers = registers;
  const std::string text = render_target_xml(arch);
  CHECK_THAT(text, Contains("<vector id=\"aarch64v_df\" type=\"ieee_double\" count=\"2\"/>"));
  CHECK_THAT(text, Contains("<vector id=\"svev_hf\" type=\"ieee_half\" count=\"16\"/>"));
  CHECK_THAT(text, Contains("<vector id=\"svev_bu\" type=\"uint8\" count=\"32\"/>"));
  CHECK_THAT(text, Contains("<union id=\"aarch64v_q\">\n<field name=\"u\" type=\"aarch64v_qu\"/>"));
  CHECK_THAT(text, Contains("<field name=\"d\" type=\"aarch64v_d\"/>"));
  CHECK_THAT(text, Contains("<vector id=\"svep\" type=\"uint8\" count=\"4\"/>"));
  CHECK_THAT(text, Contains("bitsize=\"128\" type=\"aarch64v\" regnum=\"0\""));
  CHECK_THAT(text, !Contains("aarch64v_bf")); // no real numbers of 8 bits
}

TEST_CASE("target.xml says what the register table says") {
  const std::string text = render_target_xml(fakes::toy_arch());
  CHECK_THAT(text, Contains("<architecture>i386:x86-64</architecture>"));
  CHECK_THAT(
      text, Contains("<feature name=\"org.kvmdbg.toy.core\">\n<flags id=\"toy_flags\" size=\"4\">\n"
                     "<field name=\"Z\" start=\"0\" end=\"0\"/>\n"
                     "<field name=\"MODE\" start=\"4\" end=\"6\"/>\n</flags>\n"));
  CHECK_THAT(
      text, Contains("<reg name=\"pc\" bitsize=\"64\" type=\"code_ptr\" regnum=\"5\" "
                     "group=\"general\" generic=\"pc\" dwarf_regnum=\"5\" ehframe_regnum=\"5\"/>"));
  CHECK_THAT(text, Contains("<reg name=\"flags\" bitsize=\"32\" type=\"toy_flags\" regnum=\"6\""));
  CHECK_THAT(text, Contains("<vector id=\"v4f\" type=\"ieee_single\" count=\"4\"/>"));
  CHECK_THAT(text, Contains("<union id=\"vec128\">"));
  CHECK_THAT(text, Contains("type=\"vec128\" regnum=\"7\" group=\"vector\""));
  CHECK_THAT(
      text,
      Contains("<reg name=\"cr\" bitsize=\"64\" type=\"int64\" regnum=\"8\" group=\"system\"/>"));
  CHECK(escape_xml("<a b=\"c\">&\n") == "&lt;a b=&quot;c&quot;&gt;&amp; ");
}

TEST_CASE("the thread list says what happened on the other vCPUs") {
  Machine machine;
  GdbClient client(machine);
  const Point point{PointKind::hardware, {0x1000}, 1};
  client.ask("c");
  machine.target.stop_now({0, {{VcpuId{0}, {Stepped{}}}, {VcpuId{1}, {HitPoint{point}}}}});
  client.heard();
  auto extra = [&](std::string_view thread) {
    const Bytes bytes = *from_hex(client.ask("qThreadExtraInfo," + std::string(thread)));
    return std::string(text_of(bytes));
  };
  CHECK(extra("1") == "toy mode <0>");
  CHECK(extra("p1.2") == "toy mode <1>; also stopped: hardware point at 0x1000");
  machine.target.start_running();
  CHECK(extra("2") == "running");
  CHECK_THAT(client.ask("qXfer:threads:read::0,1000"),
             Contains("name=\"vCPU 1\">running</thread>"));
}

TEST_CASE("the small questions") {
  Machine machine;
  GdbClient client(machine);
  CHECK(client.ask("qAttached") == "1");
  CHECK(client.ask("qAttached:1") == "1");
  CHECK(client.ask("qOffsets") == "Text=0;Data=0;Bss=0");
  CHECK(client.ask("qTStatus").empty());
  CHECK(client.ask("Hg-1") == "OK");
  CHECK(client.ask("Hx1").empty());
}

} // namespace
} // namespace kdbg::gdb
