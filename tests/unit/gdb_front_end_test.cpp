#include "protocols/gdb/protocol.hpp"
#include "tests/fakes/recording_client.hpp"

#include <catch2/catch.hpp>

namespace kdbg::gdb {
namespace {

using fakes::GdbClient;
using fakes::Machine;
using Sent = std::vector<std::string>;

TEST_CASE("an ack and its answer leave in one write") {
  Machine machine;
  GdbClient client(machine, Settings{}, true);
  client.feed(frame("qC"));
  CHECK(client.sent == Sent{"+$QC1#c5"});
}

TEST_CASE("each packet of a chunk is answered by one write") {
  Machine machine;
  GdbClient client(machine);
  client.feed(frame("qC") + frame("qAttached") + frame("qTStatus"));
  CHECK(client.sent == Sent{"$QC1#c5", "$1#31", "$#00"});
}

TEST_CASE("console output and its OK leave in one write") {
  Machine machine;
  GdbClient client(machine);
  client.feed(frame("qRcmd,"));
  REQUIRE(client.sent.size() == 1);
  CHECK(client.sent[0].starts_with("$O"));
  CHECK(client.sent[0].ends_with("$OK#9a"));
}

TEST_CASE("somebody who only refuses is not served for ever") {
  Machine machine;
  GdbClient client(machine, Settings{}, true);
  client.feed(frame("qC"));
  client.sent.clear();
  client.feed(std::string(1000, '-'));
  CHECK(client.sent.size() == 16);
  client.sent.clear();
  client.feed("+" + frame("qC"));
  CHECK(client.raw() == "+$QC1#c5");
}

TEST_CASE("a packet beyond the size is refused, acked, and the next one served") {
  Machine machine;
  GdbClient client(machine, Settings{}, true);
  client.feed(frame("X1000," + std::string(max_payload, '0')));
  CHECK(client.heard() == "+|E16");
  client.feed(frame("qC"));
  CHECK(client.heard() == "+|QC1");
}

TEST_CASE("a packet of just the size is served") {
  Machine machine;
  machine.target.ram[0x100000] = Bytes(max_payload);
  GdbClient client(machine);
  const std::string head = "X100000,1fff0:";
  CHECK(client.ask(head + std::string(0x1fff0, 'a')) == "OK");
  CHECK(client.ask("m11ffef,2") == "6100");
}

TEST_CASE("no reply is longer than the packet size") {
  Machine machine;
  machine.target.ram[0x100000] = Bytes(2 * max_payload, std::byte{'}'});
  GdbClient client(machine);
  client.feed(frame("m100000,ffffffffffffffff"));
  CHECK(client.raw().size() == max_payload + 4);
  client.feed(frame("x100000,40000"));
  // Each byte is escaped, and the 'b' leaves room for one half.
  CHECK(client.raw().size() == max_payload - 1 + 4);
  CHECK(client.ask("x0,0") == "OK");
  client.feed(frame("x100000,40000"));
  CHECK(client.raw().size() == max_payload + 4);
}

TEST_CASE("one stop, one stop reply") {
  Machine machine;
  GdbClient client(machine);
  machine.target.stop_now(VcpuId{0}, Stepped{}); // nobody has asked
  CHECK(client.heard().empty());
  CHECK(client.ask("c").empty());
  machine.target.stop_now(VcpuId{0}, Stepped{});
  CHECK(client.heard().starts_with("T05"));
  machine.target.stop_now(VcpuId{0}, Stepped{});
  CHECK(client.heard().empty());
}

TEST_CASE("a resume that is refused owes nothing") {
  Machine machine;
  GdbClient client(machine);
  machine.target.next_error = Error{Code::kernel, "no", 12};
  CHECK(client.ask("c") == "E0c");
  machine.target.stop_now(VcpuId{0}, Stepped{});
  CHECK(client.heard().empty());
}

TEST_CASE("the end of the run is told to whoever waits, and to whoever asks") {
  Machine machine;
  GdbClient waiting(machine), idle(machine);
  waiting.ask("c");
  machine.target.end_now(258);
  CHECK(waiting.heard() == "W02");
  CHECK(idle.heard().empty());
  CHECK(idle.ask("?") == "W02");
  CHECK(idle.ask("g") == "E13");
  CHECK(idle.ask("vCont;c") == "W02");
}

TEST_CASE("every error code has a number of its own") {
  const Features plain;
  auto number = [&](Code code, int sys_errno = 0) {
    return render_error(plain, Error{code, "text", sys_errno});
  };
  CHECK(number(Code::unsupported) == "E5f");
  CHECK(number(Code::bad_request) == "E16");
  CHECK(number(Code::no_such_vcpu) == "E03");
  CHECK(number(Code::running) == "E10");
  CHECK(number(Code::not_owner) == "E01");
  CHECK(number(Code::memory_fault) == "E14");
  CHECK(number(Code::no_free_slot) == "E1c");
  CHECK(number(Code::kernel, 12) == "E0c");
  CHECK(number(Code::kernel) == "E05");
  CHECK(number(Code::closed) == "E13");
  CHECK(render_error(Features{.error_text = true}, Error{Code::kernel, "text"}) == "E.text");
}

TEST_CASE("the exported protocol speaks RSP") {
  const Protocol exported = protocol();
  CHECK(exported.name == "gdb");
  for (char c : {'+', '-', '$', '%', '\x03'}) {
    CHECK(exported.speaks(static_cast<std::byte>(c)));
  }
  for (char c : {'G', 'C', '{', '\0', ' '}) {
    CHECK_FALSE(exported.speaks(static_cast<std::byte>(c)));
  }
  Machine machine;
  std::string sent;
  Session session(machine.target, machine.arbiter, machine.trace);
  auto front_end = exported.open(session, [&](const std::string& bytes) { sent += bytes; });
  session.join(*front_end);
  CHECK(front_end->receive(std::as_bytes(std::span(std::string_view("$qC#b4")))));
  CHECK(sent == "+$QC1#c5");
  session.leave();
}

} // namespace
} // namespace kdbg::gdb
