#include "adapter/commands.hpp"
#include "tests/fakes/recording_client.hpp"

#include <catch2/catch.hpp>

namespace kdbg {
namespace {

using fakes::Machine;
using fakes::RecordingFrontEnd;

constexpr Point here{PointKind::software, {0x1000}, 1};
constexpr VcpuId first{0};

struct Client {
  explicit Client(Machine& machine) : session(machine.target, machine.arbiter, machine.trace) {
    session.join(front_end);
  }
  Result<Moved> resume() { return session.execute(ResumeGuest{{{Motion::run, Motion::run}}}); }
  Status insert(const Point& point) { return session.execute(InsertPoint{first, point}); }
  Status remove(const Point& point) { return session.execute(RemovePoint{point}); }

  RecordingFrontEnd front_end;
  Session session;
};

TEST_CASE("clients are numbered in order of arrival and never twice") {
  Machine machine;
  Client one(machine), two(machine);
  CHECK(one.session.id() == ClientId{1});
  CHECK(two.session.id() == ClientId{2});
  two.session.leave();
  Client three(machine);
  CHECK(three.session.id() == ClientId{3});
  CHECK(machine.arbiter.client_count() == 2);
}

TEST_CASE("an insert that a client repeats counts once") {
  Machine machine;
  Client client(machine);
  CHECK(client.insert(here));
  CHECK(client.insert(here));
  CHECK(machine.target.counts.inserts == 1);
  CHECK(client.remove(here));
  CHECK(machine.target.counts.removes == 1);
  auto again = client.remove(here);
  REQUIRE_FALSE(again);
  CHECK(again.error().code == Code::bad_request);
  CHECK(again.error().what == "client 1 has no software point at 0x1000");
}

TEST_CASE("the last owner of a point takes it out") {
  Machine machine;
  Client one(machine), two(machine);
  CHECK(one.insert(here));
  CHECK(two.insert(here));
  CHECK(machine.target.counts.inserts == 1);
  CHECK(one.remove(here));
  CHECK(machine.target.counts.removes == 0);
  CHECK_FALSE(one.remove(here));
  CHECK(two.remove(here));
  CHECK(machine.target.counts.removes == 1);
}

TEST_CASE("every owner's rule reaches the target, the latest of each") {
  Machine machine;
  Client one(machine), two(machine);
  const Rule third{.hits = {HitCondition::Kind::equal, 3}}, fifth{.hits = {{}, 5}};
  const auto insert = [&](Client& client, const Rule& rule) {
    return client.session.execute(InsertPoint{first, here, rule});
  };
  CHECK(insert(one, third));
  CHECK(insert(two, {}));
  CHECK(machine.target.wishes[here] == std::vector<Wish>{{ClientId{1}, third}, {ClientId{2}, {}}});
  CHECK(insert(one, fifth)); // instead of the one before
  CHECK(machine.target.wishes[here][0].rule == fifth);
  CHECK(machine.target.counts.inserts == 1);
  CHECK(two.remove(here));
  CHECK(machine.target.wishes[here] == std::vector<Wish>{{ClientId{1}, fifth}});
  CHECK(machine.target.counts.removes == 0);
}

TEST_CASE("points come and go while the guest runs") {
  Machine machine;
  Client one(machine), two(machine);
  REQUIRE(one.resume());
  CHECK(two.insert(here));
  CHECK(two.remove(here));
  CHECK(machine.target.running());
}

TEST_CASE("a log line reaches the client whose it is, and nobody else") {
  Machine machine;
  Client one(machine), two(machine);
  machine.arbiter.publish(LogLine{ClientId{2}, here, first, "here", 0});
  const auto lines = [](const Client& client) {
    return std::count_if(client.front_end.news.begin(), client.front_end.news.end(),
                         [](const Event& event) { return std::holds_alternative<LogLine>(event); });
  };
  CHECK(lines(one) == 0);
  CHECK(lines(two) == 1);
}

TEST_CASE("points of different kind, length or space are different points") {
  Machine machine;
  Client client(machine);
  CHECK(client.insert(here));
  CHECK(client.insert({PointKind::hardware, {0x1000}, 1}));
  CHECK(client.insert({PointKind::software, {0x1000, {Space::Kind::physical}}, 1}));
  CHECK(client.insert({PointKind::write, {0x1000}, 4}));
  CHECK(client.insert({PointKind::write, {0x1000}, 8}));
  CHECK(machine.target.counts.inserts == 5);
  CHECK_FALSE(client.remove({PointKind::write, {0x1000}, 2}));
  CHECK(client.session.execute(RemoveAllPoints{}));
  CHECK(machine.target.points().empty());
}

TEST_CASE("an insert that the target refuses leaves no owner") {
  Machine machine;
  Client client(machine);
  machine.target.next_error = Error{Code::no_free_slot, "4 of 4 slots used"};
  auto refused = client.insert(here);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Code::no_free_slot);
  CHECK_FALSE(client.remove(here));
  CHECK(client.insert(here));
}

TEST_CASE("a removal that fails can be tried again") {
  Machine machine;
  Client client(machine);
  CHECK(client.insert(here));
  machine.target.next_error = Error{Code::kernel, "no", 5};
  CHECK_FALSE(client.remove(here));
  CHECK(client.remove(here));
}

TEST_CASE("changes need a stopped guest, looking does not") {
  Machine machine;
  Client client(machine);
  REQUIRE(client.resume());
  auto refused = client.session.execute(WriteMemory{first, {0x1000}, {}});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Code::running);
  CHECK(refused.error().what == "the guest is running; interrupt it first");
  const Address physical{0x1000, {Space::Kind::physical}};
  CHECK(client.session.execute(ReadMemory{first, physical, 4}));
  CHECK_FALSE(client.session.execute(ReadMemory{first, {0x1000}, 4}));
  CHECK_FALSE(client.resume());
}

TEST_CASE("whoever drives first keeps run control until it leaves") {
  Machine machine;
  Client one(machine), two(machine);
  REQUIRE(one.resume());
  machine.target.stop_now(first, Stepped{});
  auto refused = two.resume();
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Code::not_owner);
  CHECK(refused.error().what == "run control is held by client 1");
  CHECK_FALSE(two.session.execute(ResetMachine{}));
  one.session.leave();
  CHECK(two.resume());
}

TEST_CASE("a resume that fails takes no lease") {
  Machine machine;
  Client one(machine), two(machine);
  machine.target.next_error = Error{Code::kernel, "no", 5};
  CHECK_FALSE(one.resume());
  CHECK(two.resume());
}

TEST_CASE("run control can be taken over, at rest and during a run") {
  const bool running = GENERATE(false, true);
  Machine machine;
  Client one(machine), two(machine);
  REQUIRE(one.resume());
  if (!running) machine.target.stop_now(first, Stepped{});
  REQUIRE(two.session.execute(TakeControl{}));
  CHECK(machine.target.running() == running); // what is under way goes on
  const std::size_t before = one.front_end.events.size();
  if (running) machine.target.stop_now(first, Stepped{});
  CHECK(one.front_end.events.size() == before + (running ? 1 : 0)); // its stop is still its own
  auto refused = one.resume();
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Code::not_owner);
  CHECK(refused.error().what == "run control is held by client 2");
  CHECK_FALSE(one.session.execute(ResetMachine{}));
  CHECK(one.insert(here)); // points are nobody's privilege
  REQUIRE(two.resume());
  machine.target.stop_now(first, Stepped{});
  REQUIRE(one.session.execute(TakeControl{})); // and back
  CHECK_FALSE(two.resume());
  CHECK(one.resume());
}

TEST_CASE("control that was taken goes with its client, not with the one that had it") {
  Machine machine;
  Client one(machine), two(machine), three(machine);
  REQUIRE(one.session.execute(TakeControl{})); // nobody had it
  REQUIRE(two.session.execute(TakeControl{}));
  REQUIRE(two.session.execute(TakeControl{})); // twice is harmless
  one.session.leave();
  CHECK_FALSE(three.resume());
  two.session.leave();
  CHECK(three.resume());
  auto gone = two.session.execute(TakeControl{});
  REQUIRE_FALSE(gone);
  CHECK(gone.error().code == Code::closed);
  machine.target.stop_now(first, Stepped{});
  CHECK(three.resume());
}

TEST_CASE("the list of clients says whose points are in and who drives") {
  Machine machine;
  Client one(machine), two(machine);
  CHECK(one.insert(here));
  CHECK(two.insert(here));
  CHECK(two.insert({PointKind::write, {0x1000}, 4}));
  RecordingFrontEnd named;
  const ClientId third = machine.arbiter.join(named, "gdb", "here");
  REQUIRE(two.resume());
  auto list = one.session.execute(ListClients{});
  REQUIRE(list);
  REQUIRE(list->size() == 3);
  CHECK((*list)[0].id == one.session.id());
  CHECK((*list)[0].points == 1);
  CHECK_FALSE((*list)[0].drives);
  CHECK((*list)[1].points == 2);
  CHECK((*list)[1].drives);
  CHECK((*list)[2].name == "gdb from here");
  CHECK((*list)[2].points == 0);
  machine.arbiter.leave(third);
  CHECK(machine.arbiter.clients().size() == 2);
}

TEST_CASE("everybody hears of a stop, and of a resume whoever did not cause it") {
  Machine machine;
  Client one(machine), two(machine);
  REQUIRE(one.resume());
  CHECK(one.front_end.events.empty());
  REQUIRE(two.front_end.events.size() == 1);
  const auto& resumed = std::get<Resumed>(two.front_end.events[0]);
  CHECK(resumed.epoch == 1);
  CHECK(resumed.by == ClientId{1});
  machine.target.stop_now(first, Stepped{});
  CHECK(one.front_end.events.size() == 1);
  REQUIRE(two.front_end.events.size() == 2);
  CHECK(std::get<Stopped>(two.front_end.events[1]).stop.epoch == 1);
}

TEST_CASE("the others hear of changed memory") {
  Machine machine;
  Client one(machine), two(machine);
  const Bytes data(3);
  REQUIRE(one.session.execute(WriteMemory{first, {0x1000}, data}));
  CHECK(one.front_end.events.empty());
  REQUIRE(two.front_end.events.size() == 1);
  const auto& changed = std::get<MemoryChanged>(two.front_end.events[0]);
  CHECK(changed.at.value == 0x1000);
  CHECK(changed.length == 3);
  CHECK(changed.by == ClientId{1});
}

TEST_CASE("points go with their client, also while the guest runs") {
  const bool running = GENERATE(false, true);
  Machine machine;
  Client one(machine), two(machine);
  CHECK(one.insert(here));
  CHECK(one.insert({PointKind::write, {0x3000}, 4}));
  CHECK(two.insert(here));
  if (running) REQUIRE(two.resume());
  one.session.leave();
  REQUIRE(machine.target.points().size() == 1);
  CHECK(machine.target.points()[0].point == here);
  CHECK(machine.target.running() == running);
  one.session.leave(); // twice is harmless
  two.session.leave();
  CHECK(machine.target.points().empty());
  CHECK(machine.arbiter.client_count() == 0);
}

TEST_CASE("a client that has left can do nothing") {
  Machine machine;
  Client client(machine);
  client.session.leave();
  auto refused = client.insert(here);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Code::closed);
  machine.target.stop_now(first, Stepped{});
  CHECK(client.front_end.events.empty());
}

/// Leaves, and makes others leave, in the middle of an event.
class LeavingFrontEnd final : public FrontEnd {
public:
  Status receive(ByteView) override { return Done{}; }
  void on_event(const Event&) override {
    for (Session* session : leaving) {
      session->leave();
    }
  }
  std::vector<Session*> leaving;
};

TEST_CASE("clients may leave while an event goes round") {
  Machine machine;
  LeavingFrontEnd front_end;
  Session session(machine.target, machine.arbiter, machine.trace);
  session.join(front_end);
  Client two(machine), three(machine);
  front_end.leaving = {&session, &two.session};
  machine.target.stop_now(first, Stepped{});
  CHECK(two.front_end.events.empty());
  CHECK(three.front_end.events.size() == 1);
}

} // namespace
} // namespace kdbg
