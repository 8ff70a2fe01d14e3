#include "plugins/lldb/packet_text.hpp"
#include "plugins/lldb/reports.hpp"
#include "plugins/lldb/x86.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

using namespace kdbg;
using namespace kdbg::lldb_plugin;

namespace {

/// What lldb makes of the command line (quotes), RSP of the packet (escapes), and the server of the
/// JSON.
Json arguments_of(const std::string& command) {
  const std::string quoted = command.substr(command.find('\''));
  REQUIRE(quoted.find('\'', 1) == quoted.size() - 1); // one argument, to its end
  const std::string packet = quoted.substr(1, quoted.size() - 2);
  std::string json;
  for (std::size_t i = packet.find(':') + 1; i < packet.size(); ++i) {
    REQUIRE(std::string_view("#$*`").find(packet[i]) == std::string_view::npos);
    json += packet[i] == '}' ? static_cast<char>(packet[++i] ^ 0x20) : packet[i];
  }
  return Json::parse(json);
}

} // namespace

TEST_CASE("lldb's plugin sends whatever text as one packet of plain characters") {
  CHECK(packet_command("caps", Json::object()) == "process plugin packet send 'jKvm.caps'");
  CHECK(packet_command("walk", {{"address", "0x1"}}) ==
        R"(process plugin packet send 'jKvm.walk:{"address":"0x1"}]')");
  for (const char* text :
       {"", "}", "}]", "a'b`c\"d\\", "#$*}\n\t\x01", "\\\"}", "\xc3\xbc\xff", "\\}"}) {
    const Json arguments = {{"type", text}, {"list", {{{"n", 1}}, text}}};
    const Json sent = Json::parse(
        arguments.dump(-1, ' ', false, Json::error_handler_t::replace)); // bytes that are no UTF-8
    CHECK(arguments_of(packet_command("console", arguments)) == sent);
  }
}

TEST_CASE("lldb's plugin tells an answer, a refusal and a server that is not kvmdbg") {
  const auto parse = [](std::string_view response) {
    return parse_response("jKvm.x", "  packet: jKvm.x\nresponse: " + std::string(response) + "\n");
  };
  const auto answer = parse(R"({"a":"}"})");
  REQUIRE(answer);
  CHECK((*answer)["a"] == "}");
  const auto refused = parse("E.no vCPU 7: the machine has 1");
  REQUIRE(!refused);
  CHECK(refused.error().code == Code::bad_request);
  CHECK(refused.error().what == "no vCPU 7: the machine has 1");
  for (const char* response : {"", "\nerror: UNIMPLEMENTED", "E01", "OK", "[1]", "{\"cut"}) {
    const auto other = parse(response);
    REQUIRE(!other);
    CHECK(other.error().code == Code::unsupported);
  }
  const auto nothing = parse_response("jKvm.x", "error: no process");
  REQUIRE(!nothing);
  CHECK(nothing.error().code == Code::closed);
}

TEST_CASE("lldb's plugin says what an error code means") {
  CHECK(explain_exception("caught exception 14, error code 0x2, address 0x10") ==
        "#PF page fault: write, in supervisor mode, no page is there");
  CHECK(explain_exception("caught exception 14, error code 0x1d, address 0x10") ==
        "#PF page fault: read, of an instruction, in user mode, the page forbids it, a reserved "
        "bit is "
        "set");
  CHECK(explain_exception("caught exception 13, error code 0x0") == "#GP general protection");
  CHECK(explain_exception("caught exception 13, error code 0x7b") ==
        "#GP general protection: IDT entry 15, by an event from outside the program");
  CHECK(explain_exception("caught exception 11, error code 0x24") ==
        "#NP segment not present: LDT entry 4");
  CHECK(explain_exception("caught exception 6") == "#UD invalid opcode");
  CHECK(explain_exception("caught exception 200").empty());
  CHECK(explain_exception("breakpoint 1.1").empty());
}

TEST_CASE("lldb's plugin decodes entries and descriptors as the SDM has them") {
  CHECK(describe_entry(0) == "not present");
  CHECK(describe_entry(0x1234000) == "not present, 0x1234000");
  CHECK(describe_entry(0x80000000fee00173) ==
        "0xfee00000, writable, supervisor, uncached, accessed, dirty, global, no-execute");
  CHECK(describe_segment(0) == "null");
  CHECK(describe_segment(0x00af9b000000ffff) == "64-bit code, base 0x0, limit 0xffffffff, DPL 0");
  CHECK(describe_segment(0x12c0f23456780fff) == "data, base 0x12345678, limit 0xffffff, DPL 3");
  CHECK(describe_segment(0x0000130000000000) == "data, base 0x0, limit 0x0, DPL 0, not present");
  CHECK(describe_gate(0x80008f0100101234, 0xffffffff) ==
        "trap gate to 0x10:0xffffffff80001234, IST 1, DPL 0");
  CHECK(describe_gate(0, 0) == "null");
  CHECK(report_msr({{"number", "0xc0000080"}, {"value", "0x500"}}) ==
        "msr 0xc0000080 efer = 0x500\n");
  CHECK(report_msr({{"number", "0x7"}, {"value", "0x1"}}) == "msr 0x7 = 0x1\n");
}

TEST_CASE("lldb's plugin shows answers that lack fields") {
  CHECK(report_points(Json::object()).find("no points") == 0);
  CHECK(report_vcpus(
            {{"running", true}, {"epoch", 3}, {"vcpus", {{{"vcpu", 0}, {"state", "running"}}}}}) ==
        "running, run 3\n"
        "vCPU  thread  state    pc  mode  why\n"
        "0     -       running  -   -     -\n");
  CHECK(report_walk({{"address", "0x1"}, {"physical", "0x1"}, {"pageSize", 0}}) ==
        "0x1 -> 0x1: paging is off\n");
  CHECK(report_physical({{"address", "0x1000"}, {"data", "4142ff"}}) ==
        "0x0000001000: 41 42 ff" + std::string(39, ' ') + "  AB.\n");
  CHECK(report_take({{"before", nullptr}, {"now", 2}}) ==
        "client 2 (you) has run control; nobody had it\n");
}
