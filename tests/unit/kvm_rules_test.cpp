// What clients say to hits: which stop, which are counted, which are logged, and by which means.
#include "kvm/rules.hpp"
#include "tests/unit/kvm_engine_rig.hpp"

using namespace kdbg;
using namespace kdbg::test::on_scripted_kvm;
using kdbg::test::ScriptedVmm;

namespace {

Bytes code(std::initializer_list<unsigned> bytes) {
  Bytes out;
  for (const unsigned byte : bytes) {
    out.push_back(static_cast<std::byte>(byte));
  }
  return out;
}

constexpr unsigned rip = 16; // as gdb counts x86's registers

const Expression yes{code({0x22, 1, 0x27}), "yes"}, no{code({0x22, 0, 0x27}), "no"},
    hole{code({0x22, 0, 0x12, 0x17, 0x27}), "hole"}; // *(u8*)~0
const Expression prints{code({0x22, 0, 0x22, 0, 0x34, 0, 0, 4, 'h', 'i', '\n', 0, 0x27}), "hi"};

/// `$reg == value`
Expression equals(unsigned reg, unsigned value) {
  return {code({0x26, 0, reg, 0x23, value >> 8, value & 0xff, 0x13, 0x27}), {}};
}
/// `*(u32*)at == value`
Expression holds(unsigned at, unsigned value) {
  return {code({0x23, at >> 8, at & 0xff, 0x19, 0x22, value, 0x13, 0x27}), {}};
}

Rule when(Expression condition) {
  return {.conditions = {std::move(condition)}};
}
Rule at_hits(std::string_view text) {
  auto hits = parse_hits(text);
  REQUIRE(hits);
  return {.hits = *hits};
}

constexpr ClientId one{1}, two{2};
const Point point = at(PointKind::software, entry);
const kvm::Scene nowhere{[](std::uint64_t) -> Result<std::uint64_t> { return 0; },
                         [](std::uint64_t, std::span<std::byte>) -> Status {
                           return Error{Code::memory_fault, "a hole"};
                         }};

struct Asked {
  explicit Asked(std::vector<Wish> wishes) {
    rules.add(point);
    rules.agree(point, std::move(wishes));
  }
  kvm::Rules::Judgement hit(std::chrono::milliseconds after = {}) {
    return rules.judge(point, VcpuId{0}, nowhere, kvm::Rules::Time{} + after);
  }
  PointState state() {
    PointState out{point, {}};
    rules.describe(out);
    return out;
  }
  kvm::Rules rules;
};

void insert(Rig& rig, const Point& where, std::vector<Wish> wishes) {
  REQUIRE(rig.engine.insert(VcpuId{0}, where));
  REQUIRE(rig.engine.agree(where, std::move(wishes)));
}

} // namespace

TEST_CASE("rules: a hit stops when any client says so, and says whose it is") {
  Asked asked({{one, when(no)}, {two, {}}});
  const auto said = asked.hit();
  CHECK(said.stops);
  CHECK(said.matched.clients == std::vector{two});
  asked.rules.agree(point, {{one, when(no)}});
  CHECK_FALSE(asked.hit().stops);
  asked.rules.agree(point, {{one, {.conditions = {no, yes}}}}); // one that holds will do
  CHECK(asked.hit().stops);
  asked.rules.agree(point, {});
  CHECK(asked.hit().stops); // nobody has said anything
  asked.rules.forget(point);
  CHECK_FALSE(asked.hit().stops); // just taken out
}

TEST_CASE("rules: a condition that cannot be evaluated stops and says why") {
  Asked asked({{one, {.conditions = {hole}, .hits = *parse_hits("99"), .log = {prints}}}});
  const auto said = asked.hit();
  CHECK(said.stops);
  CHECK(said.matched.note == "client 1's condition cannot be evaluated: a hole");
  CHECK(describe(StopReason{HitPoint{point, said.matched}}) ==
        "software point at 0x1000; client 1's condition cannot be evaluated: a hole");
}

TEST_CASE("rules: hit conditions count the times that the condition held") {
  const auto [text, expected] = GENERATE(table<std::string, std::string>({
      {"3", "..x..."},
      {"==3", "..x..."},
      {"> 3", "...xxx"},
      {">=3", "..xxxx"},
      {"%2", ".x.x.x"},
  }));
  Asked asked({{one, at_hits(text)}});
  std::string stops;
  for (int i = 0; i < 6; ++i) {
    stops += asked.hit().stops ? 'x' : '.';
  }
  CHECK(stops == expected);
  CHECK(asked.state().wishes.at(0).held == 6);
  // an equal wish keeps its count, another begins anew
  asked.rules.agree(point, {{two, {}}, {one, at_hits(text)}});
  CHECK(asked.state().wishes.at(1).held == 6);
  asked.rules.agree(point, {{one, when(yes)}});
  CHECK(asked.state().wishes.at(0).held == 0);
}

TEST_CASE("rules: who logs does not stop, and hears of each line by itself") {
  Asked asked({{one, {.conditions = {yes}, .log = {prints}}}, {two, {.log = {hole, prints}}}});
  const auto said = asked.hit();
  CHECK_FALSE(said.stops);
  CHECK(said.logged);
  const auto lines = asked.rules.take_log(false);
  REQUIRE(lines.size() == 2);
  CHECK(lines[0].client == one);
  CHECK(lines[0].text == "hi");
  CHECK(lines[1].text == "<a hole>hi");
  CHECK(asked.state().hits == 1);
  CHECK(asked.state().wishes.at(0).rule == "if yes, logs hi");
}

TEST_CASE("rules: a hot log point is cut down, and what is left out is counted") {
  using std::chrono::milliseconds;
  Asked asked({{one, {.log = {prints}}}});
  for (int i = 0; i < 2000; ++i) {
    asked.hit(milliseconds(2000) + milliseconds(i) / 4);
  }
  CHECK(asked.rules.take_log(false).size() == kvm::Rules::most_lines);
  asked.hit(milliseconds(3100)); // the next second: told, with what came before
  auto lines = asked.rules.take_log(false);
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].dropped == 2000 - kvm::Rules::most_lines);
  for (std::uint64_t i = 0; i < kvm::Rules::most_lines + 4; ++i) {
    asked.hit(milliseconds(3200));
  }
  lines = asked.rules.take_log(true);            // at a stop: also what nothing follows
  CHECK(lines.size() == kvm::Rules::most_lines); // 499 lines and the remark
  CHECK(lines.back().text.empty());
  CHECK(lines.back().dropped == 5);
  CHECK(asked.rules.take_log(true).empty());
}

TEST_CASE("rules: hit conditions are read, and nonsense is refused") {
  for (const char* text : {"5", " >= 5", "%5", ">0"}) {
    CHECK(parse_hits(text));
  }
  for (const char* text : {"", ">", "5x", "<5", "0", "==0", "%0", "-1", "99999999999999999999"}) {
    CAPTURE(text);
    const auto parsed = parse_hits(text);
    REQUIRE_FALSE(parsed);
    CHECK(parsed.error().code == Code::bad_request);
  }
  CHECK(describe(*parse_hits("7")) == "==7");
}

TEST_CASE("engine: a point whose condition does not hold is passed, whatever it is made of") {
  for (const HostFacts& facts : {hardware(), emulating()}) {
    for (const PointKind kind : {PointKind::software, PointKind::hardware}) {
      // inc dword [rdi]; nop; jmp -5
      Rig rig(facts, {0xff, 0x07, 0x90, 0xeb, 0xfb});
      rig.vmm.kernel.regs(rig.vmm.fd()).rdi = ScriptedVmm::data;
      const Point where = at(kind, entry + 2);
      insert(rig, where, {{one, when(holds(ScriptedVmm::data, 5))}});
      REQUIRE(rig.resume(Motion::run));
      REQUIRE(rig.stops.size() == 1);
      REQUIRE(rig.last<HitPoint>() != nullptr);
      CHECK(rig.last<HitPoint>()->matched.clients == std::vector{one});
      CHECK(rig.vmm.rip() == entry + 2);
      CHECK(std::to_integer<int>(rig.vmm.ram[ScriptedVmm::data]) == 5);
      const PointState state = rig.engine.points().at(0);
      CHECK(state.hits == 1);
      CHECK(state.wishes.at(0).held == 1);
      // from here on its turn comes by count
      REQUIRE(rig.engine.agree(where, {{one, at_hits("%3")}}));
      REQUIRE(rig.resume(Motion::run));
      CHECK(std::to_integer<int>(rig.vmm.ram[ScriptedVmm::data]) == 8);
      REQUIRE(rig.engine.withdraw());
      rig.original[ScriptedVmm::data] = std::byte{8};
      CHECK(rig.vmm.ram == rig.original);
    }
  }
}

TEST_CASE("engine: an instruction that must be stepped alone is judged once for each visit") {
  // out is not carried out by us: with two vCPUs each pass is a phase of its own
  Rig rig(hardware(), {0xe6, 0x42, 0xeb, 0xfc}, 2);
  insert(rig, point, {{one, at_hits("==9")}});
  REQUIRE(rig.resume(Motion::run));
  REQUIRE(rig.stops.size() == 1);
  const std::uint64_t held = rig.engine.points().at(0).wishes.at(0).held;
  CHECK(held >= 9);
  CHECK(held - rig.vmm.served <= 2); // all but the visits under way have been carried out
}

TEST_CASE("engine: a visit that is interrupted when it has been judged is not judged again") {
  Rig rig(hardware(), {0xe6, 0x42, 0x90, 0xeb, 0xfb});
  const Point other = at(PointKind::software, entry + 2);
  insert(rig, point, {{one, when(no)}});
  insert(rig, other, {{one, {}}});
  // it waits for its turn to step off `point` alone
  rig.vmm.before_parked = [&] { rig.engine.interrupt({}); };
  REQUIRE(rig.resume(Motion::run));
  rig.vmm.before_parked = {};
  REQUIRE(rig.last<Interrupted>() != nullptr);
  REQUIRE(rig.vmm.rip() == entry);
  REQUIRE(rig.engine.agree(point, {{one, when(yes)}}));
  REQUIRE(rig.resume(Motion::run));
  CHECK(rig.last<HitPoint>()->point == other); // it is past the visit that was judged
  REQUIRE(rig.resume(Motion::run));
  CHECK(rig.last<HitPoint>()->point == point);
}

TEST_CASE("engine: watches by slots, by protection and by comparison ask the rule") {
  HostFacts slots = hardware(), protects = hardware(), compares = hardware();
  protects.data_watch = compares.data_watch = false;
  protects.write_protect = true;
  for (const HostFacts& facts : {slots, protects, compares}) {
    Rig rig(facts, {0xff, 0x07, 0x90, 0xeb, 0xfb});
    rig.vmm.kernel.regs(rig.vmm.fd()).rdi = ScriptedVmm::data;
    const Point watch = at(PointKind::write, ScriptedVmm::data, 4);
    insert(rig, watch, {{one, when(holds(ScriptedVmm::data, 4))}});
    REQUIRE(rig.resume(Motion::run));
    REQUIRE(rig.stops.size() == 1);
    const auto* hit = rig.last<HitWatch>();
    REQUIRE(hit != nullptr);
    CHECK(hit->matched.clients == std::vector{one});
    CHECK(hit->after == code({4, 0, 0, 0}));
    CHECK(rig.vmm.rip() == entry + 2);
    CHECK(rig.engine.points().at(0).hits == 1);
  }
}

TEST_CASE("engine: a catchpoint's rule is asked when the access is complete") {
  Rig rig(hardware(), {0xe6, 0x42, 0xff, 0x07, 0xeb, 0xfa}); // out 0x42, al; inc dword [rdi]; jmp
  rig.vmm.kernel.regs(rig.vmm.fd()).rdi = ScriptedVmm::data;
  insert(rig, at(PointKind::port, 0x42),
         {{one, when(equals(rip, entry + 2))}, {two, when(holds(ScriptedVmm::data, 2))}});
  REQUIRE(rig.resume(Motion::run));
  REQUIRE(rig.last<Caught>() != nullptr);
  CHECK(rig.last<Caught>()->matched.clients == std::vector{one});
  REQUIRE(rig.engine.agree(at(PointKind::port, 0x42), {{two, when(holds(ScriptedVmm::data, 2))}}));
  REQUIRE(rig.resume(Motion::run));
  CHECK(rig.last<Caught>()->matched.clients == std::vector{two});
  CHECK(std::to_integer<int>(rig.vmm.ram[ScriptedVmm::data]) == 2);
  CHECK(rig.vmm.rip() == entry + 2);
}

TEST_CASE("engine: steps are ended by a range, not by a point whose rule says no") {
  for (const HostFacts& facts : {hardware(), emulating()}) {
    Rig rig(facts, {0x90, 0x90, 0x90, 0xff, 0x07, 0x90, 0x90, 0xf4});
    rig.vmm.kernel.regs(rig.vmm.fd()).rdi = ScriptedVmm::data;
    insert(rig, at(PointKind::software, entry + 1), {{one, when(no)}});
    insert(rig, at(PointKind::hardware, entry + 2), {{one, when(no)}});
    insert(rig, at(PointKind::software, entry + 3), {{one, when(no)}});
    REQUIRE(rig.engine.resume(
        Resume{std::vector{Motion::step}, std::vector{StepRange{entry, entry + 6}}}));
    rig.vmm.drain();
    CHECK(rig.vmm.rip() == entry + 6);
    REQUIRE(rig.stops.back().vcpus[0].reasons.size() == 1);
    CHECK(rig.last<Stepped>() != nullptr);
    CHECK(rig.engine.points().at(0).hits == 0);
  }
}

TEST_CASE("engine: log points tell their lines and the guest runs on") {
  Rig rig(hardware(), {0x90, 0x90, 0x90, 0xf4});
  Rule rule{
      .log = {{code({0x26, 0, rip, 0x22, 0, 0x22, 0, 0x34, 1, 0, 5, 'a', '%', 'l', 'x', 0, 0x27}),
               {}}}};
  insert(rig, at(PointKind::software, entry + 1), {{two, rule}});
  REQUIRE(rig.resume(Motion::run));
  CHECK(rig.last<Halted>() != nullptr);
  REQUIRE(rig.log.size() == 1);
  CHECK(rig.log[0].client == two);
  CHECK(rig.log[0].text == "a1001");
}

TEST_CASE("engine: a watch by comparison leaves a slot at pc to fire on whom nobody told of it") {
  HostFacts facts = hardware();
  facts.data_watch = false;
  for (const bool honours : {true, false}) {
    Rig rig(facts, {0x90, 0x90, 0xeb, 0xfc}, 2);
    rig.vmm.kernel.honours_resume_flag = honours;
    REQUIRE(rig.engine.insert(VcpuId{0}, at(PointKind::hardware, entry)));
    REQUIRE(rig.engine.insert(VcpuId{0}, at(PointKind::write, ScriptedVmm::data, 4)));
    // vCPU 1 was halted here by another's stop, before it could run into the point
    REQUIRE(rig.resume({Motion::hold, Motion::run}));
    REQUIRE(rig.last<HitPoint>(1) != nullptr);
    CHECK(rig.vmm.rip(1) == entry);
    REQUIRE(rig.resume({Motion::hold, Motion::run}));
    REQUIRE(rig.stops.size() == 2); // once round: it got off, and came back
    CHECK(rig.last<HitPoint>(1) != nullptr);
  }
}

TEST_CASE("engine: a point of other page tables on a page that is shared is passed") {
  Rig rig(hardware(), {0x90, 0x90, 0x90, 0xf4});
  Point elsewhere = at(PointKind::software, entry + 1);
  elsewhere.at.space = {Space::Kind::root, 0x5000};
  REQUIRE(rig.engine.insert(VcpuId{0}, elsewhere));
  REQUIRE(rig.resume(Motion::run));
  CHECK(rig.last<Halted>() != nullptr);
}

TEST_CASE("engine: rules are refused for what is no point, and when they are no code") {
  Rig rig(hardware(), {0x90});
  CHECK_FALSE(rig.engine.agree(point, {{one, {}}}));
  REQUIRE(rig.engine.insert(VcpuId{0}, point));
  const auto refused = rig.engine.agree(point, {{one, when({code({0x31}), {}})}});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().what == "bytecode: no operation 0x31, at byte 0");
}
