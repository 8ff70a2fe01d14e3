#include "protocols/gdb/text.hpp"
#include "protocols/state/protocol.hpp"
#include "tests/fakes/recording_client.hpp"

#include <catch2/catch.hpp>

namespace kdbg::state {
namespace {

TEST_CASE("a machine says what it does, to whoever asks without joining") {
  fakes::Machine machine;
  fakes::GdbClient client(machine);
  Session session(machine.target, machine.arbiter, machine.trace);
  const Protocol state = protocol();
  CHECK_FALSE(state.joins);
  CHECK(state.speaks(std::byte{'s'}));
  CHECK_FALSE(state.speaks(std::byte{'$'}));
  std::string said;
  const auto front_end = state.open(session, [&](const std::string& text) { said += text; });
  REQUIRE(front_end->receive(gdb::bytes_of("sta")));
  CHECK(said.empty());
  REQUIRE(front_end->receive(gdb::bytes_of("te\n")));
  CHECK(said == "stopped: at entry\n");
  client.ask("c");
  said.clear();
  REQUIRE(front_end->receive(gdb::bytes_of("state\nstate\n")));
  CHECK(said == "running\nrunning\n");
  CHECK(machine.target.running());
  CHECK(machine.arbiter.client_count() == 1);
  CHECK_FALSE(front_end->receive(gdb::bytes_of("stop\n")));
}

TEST_CASE("a reason of several lines is told in one") {
  fakes::Machine machine;
  fakes::GdbClient client(machine);
  Session session(machine.target, machine.arbiter, machine.trace);
  client.ask("c");
  machine.target.stop_now({0, {{VcpuId{0}, {Crashed{"first\nsecond"}}}}});
  std::string said;
  const auto front_end = protocol().open(session, [&](const std::string& text) { said += text; });
  REQUIRE(front_end->receive(gdb::bytes_of("state\n")));
  CHECK(said.starts_with("stopped: "));
  CHECK(said.find('\n') == said.size() - 1);
}

} // namespace
} // namespace kdbg::state
