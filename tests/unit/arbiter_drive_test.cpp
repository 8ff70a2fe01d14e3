// Followers, drives, joins and roles: what each client sees of who moves the guest.
#include "adapter/commands.hpp"
#include "tests/fakes/recording_client.hpp"

#include <catch2/catch.hpp>

#include <algorithm>

namespace kdbg {
namespace {

using Catch::Matchers::Contains;
using fakes::GdbClient;
using fakes::Machine;
using fakes::RecordingFrontEnd;

constexpr VcpuId first{0};
constexpr Point mine{PointKind::software, {0x1000}, 1}, yours{PointKind::software, {0x2000}, 1};

/// A DAP client: a control connection and lldb's, which follows it.
struct Pair {
  explicit Pair(Machine& machine) : control(machine), follower(machine) {
    const std::string hello = control.ask(R"(jKvm.hello:{"name":"a page"})");
    const auto at = hello.find("\"pairing\":\"") + 11;
    const std::string secret = hello.substr(at, hello.find('"', at) - at);
    REQUIRE_THAT(follower.ask(R"(jKvm.follower:{"pairing":")" + secret + "\"}"),
                 Contains("\"client\""));
  }
  GdbClient control, follower;
};

/// Any other client that knows nothing of drives.
struct Onlooker {
  explicit Onlooker(Machine& machine, Role role = Role::control)
      : session(machine.target, machine.arbiter, machine.trace) {
    session.join(front_end, "gdb", "there", role);
  }
  ~Onlooker() { session.leave(); }
  Onlooker(const Onlooker&) = delete;
  Onlooker& operator=(const Onlooker&) = delete;
  std::size_t stops() const { return count<Stopped>(); }
  std::size_t runs() const { return count<Resumed>(); }
  template <class Kind>
  std::size_t count() const {
    std::size_t out = 0;
    for (const auto* told : {&front_end.events, &front_end.news}) {
      out += static_cast<std::size_t>(
          std::count_if(told->begin(), told->end(),
                        [](const Event& event) { return std::holds_alternative<Kind>(event); }));
    }
    return out;
  }
  RecordingFrontEnd front_end;
  Session session;
};

Resume all() {
  return {{Motion::run, Motion::run}};
}

TEST_CASE("a follower is its client: one id, one name, one set of points") {
  Machine machine;
  Pair pair(machine);
  CHECK(machine.arbiter.client_count() == 1);
  CHECK(machine.arbiter.clients()[0].name == "a page");
  CHECK(pair.follower.ask("Z0,1000,1") == "OK");
  CHECK_THAT(pair.control.ask("jKvm.clients"), Contains("\"points\":1"));
  pair.follower.session.leave();
  CHECK(machine.arbiter.client_count() == 1);
  CHECK(machine.target.points().size() == 1); // they leave with the client
  pair.control.session.leave();
  CHECK(machine.target.points().empty());
}

TEST_CASE("a wrong pairing follows nobody") {
  Machine machine;
  GdbClient one(machine), two(machine);
  one.ask(R"(jKvm.hello:{"name":"a"})");
  CHECK_THAT(two.ask(R"(jKvm.follower:{"pairing":"00"})"), Contains("no client has this pairing"));
  CHECK_THAT(two.ask(R"(jKvm.follower:{"pairing":""})"), Contains("no client has this pairing"));
  CHECK(machine.arbiter.client_count() == 2);
}

TEST_CASE("a follower's resume joins a run, or is answered by the present stop") {
  Machine machine;
  Pair pair(machine);
  Onlooker other(machine);
  CHECK_THAT(pair.follower.ask("c"), Contains("T")); // nothing runs
  CHECK(machine.target.counts.resumes == 0);
  REQUIRE(other.session.execute(ResumeGuest{all()}));
  CHECK(pair.follower.ask("vCont;s:1") == "");
  CHECK(machine.target.counts.resumes == 1);
  machine.target.stop_now(first, HitPoint{yours});
  CHECK_THAT(pair.follower.heard(), Contains("T05"));
}

TEST_CASE("what a joining debugger does to its points is not meant") {
  Machine machine;
  Pair pair(machine);
  Onlooker other(machine);
  REQUIRE(pair.follower.ask("Z0,1000,1") == "OK");
  REQUIRE(other.session.execute(ResumeGuest{all()}));
  REQUIRE_THAT(pair.control.ask("jKvm.follow"), Contains("\"running\":true"));
  CHECK(pair.follower.ask("z0,1000,1") == "OK");
  CHECK(machine.target.points().size() == 1);
  CHECK(pair.follower.ask("vCont;s:1") == "");
  machine.target.stop_now(first, HitPoint{mine});
  pair.follower.heard();
  CHECK(pair.follower.ask("Z0,1000,1") == "OK");
  CHECK(pair.follower.ask("z0,1000,1") == "OK"); // of its user's, now
  CHECK(machine.target.points().empty());
}

TEST_CASE("a follower's interrupt stops nobody else") {
  Machine machine;
  Pair pair(machine);
  Onlooker other(machine);
  REQUIRE(other.session.execute(ResumeGuest{all()}));
  REQUIRE(pair.follower.ask("c") == "");
  pair.follower.feed("\x03");
  CHECK_THAT(pair.follower.heard(), Contains("T02"));
  CHECK(machine.target.running());
  CHECK(machine.target.counts.interrupts == 0);
  CHECK(pair.follower.ask("c") == ""); // the same run again
  CHECK_THAT(pair.control.ask("jKvm.interrupt"), Contains("\"epoch\""));
  CHECK(machine.target.counts.interrupts == 1);
}

TEST_CASE("a drive is one run to everybody else") {
  Machine machine;
  Pair pair(machine);
  Onlooker other(machine);
  REQUIRE_THAT(pair.control.ask("jKvm.drive"), Contains("\"running\":false"));
  pair.follower.ask("Z0,1000,1");
  for (int step = 0; step < 3; ++step) {
    CHECK(pair.follower.ask("vCont;s:1") == "");
    machine.target.stop_now(first, Stepped{});
    CHECK_THAT(pair.follower.heard(), Contains("T05"));
  }
  CHECK(pair.follower.ask("c") == "");
  machine.target.stop_now(first, HitPoint{mine});
  CHECK(other.runs() == 1);
  CHECK(other.stops() == 0);
  CHECK(other.session.running());
  CHECK_FALSE(other.session.execute(WriteMemory{first, {0x1000}, {}}));
  CHECK(machine.arbiter.stops(9).empty());
  REQUIRE_THAT(pair.control.ask("jKvm.rest"), Contains("\"running\":false"));
  CHECK(other.stops() == 1);
  CHECK(machine.arbiter.stops(9).size() == 1);
  CHECK(machine.arbiter.stops(9)[0].resumed_by == ClientId{1});
  CHECK_FALSE(other.session.running());
}

TEST_CASE("after a drive the follower's next resume begins another") {
  Machine machine;
  Pair pair(machine);
  Onlooker other(machine);
  CHECK_THAT(pair.control.ask("jKvm.rest"), Contains("\"again\":false")); // nothing has begun
  pair.control.ask("jKvm.drive");
  pair.follower.ask("vCont;s:1");
  machine.target.stop_now(first, Stepped{});
  pair.follower.heard();
  REQUIRE_THAT(pair.control.ask("jKvm.rest"), Contains("\"again\":true"));
  const auto moves = [&] { return pair.follower.ask("vCont;s:1").empty(); };
  SECTION("which is one run to others, as any") {
    for (int step = 0; step < 2; ++step) {
      CHECK(moves());
      machine.target.stop_now(first, Stepped{});
      pair.follower.heard();
    }
    CHECK(other.runs() == 2);
    CHECK(other.stops() == 1);
    CHECK_THAT(pair.control.ask("jKvm.rest"), Contains("\"again\":true"));
    CHECK(other.stops() == 2);
  }
  SECTION("but not once another client has taken control") {
    REQUIRE(other.session.execute(TakeControl{}));
    CHECK_FALSE(moves());
    CHECK_THAT(pair.control.ask("jKvm.rest"), Contains("\"again\":false"));
  }
  SECTION("nor once another client has moved the guest") {
    REQUIRE(other.session.execute(TakeControl{}));
    REQUIRE(other.session.execute(ResumeGuest{all()}));
    machine.target.stop_now(first, HitPoint{yours});
    CHECK_FALSE(moves());
  }
  SECTION("nor when its client has interrupted it on its way") {
    pair.control.ask("jKvm.interrupt");
    CHECK_FALSE(moves());
  }
  SECTION("nor when it has come to follow") {
    pair.control.ask("jKvm.follow");
    CHECK_FALSE(moves());
  }
  SECTION("nor for one that may only observe by now") {
    pair.control.ask(R"(jKvm.hello:{"name":"x","role":"observe"})");
    CHECK_FALSE(moves());
  }
  CHECK(machine.target.counts.resumes <= 3);
}

TEST_CASE("everybody else is told who has taken control") {
  Machine machine;
  Onlooker one(machine), two(machine);
  REQUIRE(one.session.execute(TakeControl{}));
  CHECK(one.count<ControlTaken>() == 0);
  CHECK(two.count<ControlTaken>() == 1);
}

TEST_CASE("a stop that is not the driver's own reaches everybody at once") {
  Machine machine;
  Pair pair(machine);
  Onlooker other(machine);
  REQUIRE(other.session.execute(InsertPoint{first, yours}));
  pair.control.ask("jKvm.drive");
  pair.follower.ask("c");
  const StopReason reason =
      GENERATE(as<StopReason>(), HitPoint{yours}, Crashed{"triple fault"}, Interrupted{});
  machine.target.stop_now(first, reason);
  CHECK(other.stops() == 1);
  pair.control.ask("jKvm.rest");
  CHECK(other.stops() == 1); // told once
}

TEST_CASE("a drive is cut between two of its runs") {
  Machine machine;
  Pair pair(machine);
  Onlooker other(machine);
  pair.control.ask("jKvm.drive");
  pair.follower.ask("vCont;s:1");
  machine.target.stop_now(first, Stepped{});
  pair.follower.heard();
  SECTION("by an interrupt") {
    REQUIRE(other.session.execute(Interrupt{}));
    CHECK(other.stops() == 1);
    CHECK_FALSE(other.session.running());
    CHECK(pair.follower.ask("vCont;s:1") == "E10"); // plain gdb's words for it
    CHECK_THAT(pair.follower.ask("vCont;s:1"), Contains("T05"));
    CHECK(machine.target.counts.resumes == 1);
    CHECK_THAT(pair.control.ask("jKvm.rest"), Contains("\"again\":false"));
  }
  SECTION("by its own client") {
    pair.control.ask("jKvm.interrupt");
    CHECK(other.stops() == 0);
    CHECK(pair.follower.ask("vCont;s:1") == "E10");
    CHECK(machine.target.counts.resumes == 1);
    pair.control.ask("jKvm.rest");
    CHECK(other.stops() == 1);
    pair.control.ask("jKvm.drive");
    CHECK(pair.follower.ask("vCont;s:1") == "");
  }
  SECTION("by taking control") {
    REQUIRE(other.session.execute(TakeControl{}));
    CHECK(other.stops() == 1);
    REQUIRE(other.session.execute(ResumeGuest{all()}));
    CHECK(pair.follower.ask("vCont;s:1") == "E10");
    CHECK(pair.follower.ask("vCont;s:1") == ""); // joins
  }
  SECTION("by its client's leaving") {
    pair.control.session.leave();
    CHECK(other.stops() == 1);
    CHECK(other.session.execute(ResumeGuest{all()}));
  }
}

TEST_CASE("a drive needs the lease") {
  Machine machine;
  Pair pair(machine);
  Onlooker other(machine);
  REQUIRE(other.session.execute(ResumeGuest{all()}));
  CHECK_THAT(pair.control.ask("jKvm.drive"),
             Contains("run control is held by client 3 (gdb from there)"));
  machine.target.stop_now(first, Stepped{});
  CHECK_THAT(pair.control.ask("jKvm.drive"), Contains("run control is held by client 3"));
  pair.control.ask("jKvm.takeControl");
  CHECK_THAT(pair.control.ask("jKvm.drive"), Contains("\"running\""));
}

TEST_CASE("whoever resumes a guest that another runs joins that run") {
  Machine machine;
  Onlooker one(machine), two(machine);
  REQUIRE(*one.session.execute(ResumeGuest{all()}) == Moved::began);
  REQUIRE(*two.session.execute(ResumeGuest{all()}) == Moved::joined);
  CHECK(machine.target.counts.resumes == 1);
  CHECK_FALSE(one.session.execute(ResumeGuest{all()})); // its own is under way already
  machine.target.stop_now(first, Stepped{});
  CHECK(two.stops() == 1);
}

TEST_CASE("an observer looks and joins, and does nothing else") {
  Machine machine;
  Onlooker driver(machine), observer(machine, Role::observe);
  const auto refuses = [&](auto command) {
    auto answer = observer.session.execute(command);
    return !answer && answer.error().what == "client 2 may only observe";
  };
  CHECK(refuses(WriteMemory{first, {0x1000}, {}}));
  CHECK(refuses(WriteRegister{first, fakes::toy_pc, {}}));
  CHECK(refuses(InsertPoint{first, mine}));
  CHECK(refuses(WriteMsr{first, 1, 1}));
  CHECK(refuses(ResumeGuest{all()}));
  CHECK(refuses(Interrupt{}));
  CHECK(refuses(TakeControl{}));
  CHECK(refuses(Console{"x"}));
  CHECK(refuses(ResetMachine{}));
  CHECK(refuses(PowerOff{}));
  CHECK(refuses(Drive{}));
  CHECK(observer.session.dumps() == nullptr);
  CHECK(observer.session.execute(ReadConsole{}));
  CHECK(observer.session.execute(ReadMemory{first, {0x1000}, 1}));
  REQUIRE(driver.session.execute(ResumeGuest{all()}));
  CHECK(*observer.session.execute(ResumeGuest{all()}) == Moved::joined);
  CHECK(refuses(Interrupt{}));
  machine.target.stop_now(first, Stepped{});
  CHECK(observer.stops() == 1);
}

TEST_CASE("jKvm.hello lowers a role, and never raises it") {
  Machine machine;
  GdbClient client(machine);
  CHECK_THAT(client.ask(R"(jKvm.hello:{"name":"x","role":"observe"})"),
             Contains("\"role\":\"observe\""));
  CHECK_THAT(client.ask(R"(jKvm.hello:{"name":"x","role":"control"})"),
             Contains("\"role\":\"observe\""));
  CHECK_THAT(client.ask("M1000,1:00"), Contains("E01"));
  CHECK_THAT(client.ask(R"(jKvm.hello:{"name":"x","role":"king"})"),
             Contains("control or observe"));
  CHECK_THAT(client.ask(R"(jKvm.hello:{"name":""})"), Contains("1 to 80 bytes"));
  CHECK_THAT(client.ask(R"(jKvm.hello:{"name":"a\u0007"})"), Contains("1 to 80 bytes"));
}

} // namespace
} // namespace kdbg
