// Several clients on one machine, as the input says: who gives which command, what happens to the
// guest, what fails. A model knows after each of them who owns which point, who drives, what every
// client must have heard, and what may have moved.
#include "adapter/commands.hpp"
#include "tests/fuzz/seats.hpp"

#include <algorithm>

namespace {

using namespace kdbg;
using namespace kdbg::fuzz;

constexpr std::size_t seats = 4, longest = 400;
constexpr std::uint64_t addresses[] = {0x1000, 0x1ffe, 0x2000, 0x3008};

class World {
public:
  explicit World(ByteView input) : in_(input) {
    target_.publish = [this](const Event& event) { arbiter_.publish(event); };
    for (std::size_t i = 0; i < seats; ++i) {
      sit_down(i);
    }
  }

  void live() {
    for (std::size_t i = 0; i < longest && !in_.done(); ++i) {
      act();
      check();
    }
    for (auto& seat : seats_) {
      leave(*seat);
      check();
    }
    require(gone_ || target_.points().empty());
  }

private:
  // What must be so.

  using Moves = std::array<unsigned, 3>;
  Moves moves() const {
    return {target_.counts.resumes, target_.counts.resets, target_.counts.power_offs};
  }

  std::optional<Code> refusal(const Seat& seat, Access access) const {
    if (!seat.present) return Code::closed;
    if (access == Access::drive && driver_ && *driver_ != seat.session.id()) return Code::not_owner;
    const bool of_any_guest = access == Access::observe || access == Access::act;
    if (!of_any_guest && target_.running()) return Code::running;
    return {};
  }
  /// A resume of a guest that another client runs.
  bool joins(const Seat& seat) const {
    return seat.present && target_.running() && runner_ != seat.session.id();
  }
  void began(const Seat& seat) { driver_ = runner_ = seat.session.id(); }

  std::set<Point> wanted() const {
    std::set<Point> all;
    for (const auto& seat : seats_) {
      all.insert(seat->points.begin(), seat->points.end());
    }
    return all;
  }
  bool installed(const Point& point) const {
    const auto points = target_.points();
    return std::any_of(points.begin(), points.end(),
                       [&](const PointState& state) { return state.point == point; });
  }
  bool shared(const Seat& owner, const Point& point) const {
    return std::any_of(seats_.begin(), seats_.end(), [&](const auto& seat) {
      return seat.get() != &owner && seat->points.contains(point);
    });
  }

  void check() {
    std::set<Point> present;
    for (const PointState& state : target_.points()) {
      require(present.insert(state.point).second);
    }
    require(gone_ || present == wanted());
    const auto clients = arbiter_.clients();
    std::size_t here = 0;
    for (const auto& seat : seats_) {
      if (!seat->present) continue;
      ++here;
      const auto info = std::find_if(clients.begin(), clients.end(), [&](const ClientInfo& one) {
        return one.id == seat->session.id();
      });
      require(info != clients.end() && info->points == seat->points.size());
      require(info->drives == (driver_ == seat->session.id()));
    }
    require(clients.size() == here);
    for (const auto& seat : seats_) {
      const auto* gdb = dynamic_cast<GdbSeat*>(seat.get());
      if (gdb == nullptr || !gdb->present) continue;
      require(gdb->unanswered == 0 || (gdb->unanswered == 1 && target_.running()));
    }
  }

  /// Whoever is present has heard `event` (its place in the variant) once and nothing else.
  void all_heard(std::size_t event, std::optional<ClientId> but = {}) {
    for (const auto& seat : seats_) {
      auto* plain = dynamic_cast<PlainSeat*>(seat.get());
      if (plain == nullptr) continue;
      const auto events = std::exchange(plain->heard.events, {});
      const bool should = plain->present && plain->session.id() != but;
      require(events.size() == (should ? 1 : 0));
      require(!should || events.front().index() == event);
      const auto* stop = should ? std::get_if<Stopped>(&events.front()) : nullptr;
      require(stop == nullptr || stop->stop.epoch == target_.stop().epoch);
    }
  }
  void nobody_heard() {
    for (const auto& seat : seats_) {
      const auto* plain = dynamic_cast<PlainSeat*>(seat.get());
      require(plain == nullptr || plain->heard.events.empty());
    }
  }
  void forget_events() {
    for (const auto& seat : seats_) {
      if (auto* plain = dynamic_cast<PlainSeat*>(seat.get())) plain->heard.events.clear();
    }
  }
  static constexpr std::size_t stopped = 0, resumed = 1, memory_changed = 2, gone = 3;

  // What happens.

  template <class Command>
  Result<typename Command::Reply>
  give(Seat& seat, const Command& command, Access access = Command::access) {
    const auto refused = refusal(seat, access);
    const Moves before = moves();
    const auto ram = target_.ram;
    const auto writes = target_.counts.register_writes;
    if (in_.once_in(8)) target_.next_error = Error{Code::kernel, "injected", 5};
    auto reply = seat.session.execute(command);
    target_.next_error.reset();
    if (refused) require(!reply && reply.error().code == *refused);
    if (!reply) {
      nobody_heard();
      require(moves() == before && target_.ram == ram && target_.counts.register_writes == writes);
    }
    if (access != Access::drive) require(moves() == before);
    if (access == Access::observe) require(target_.ram == ram);
    return reply;
  }

  void sit_down(std::size_t at) {
    if (at % 2 == 0) {
      seats_[at] = std::make_unique<PlainSeat>(target_, arbiter_, trace_);
    } else {
      seats_[at] = std::make_unique<GdbSeat>(target_, arbiter_, trace_);
    }
    Seat& seat = *seats_[at];
    seat.session.join(seat.front_end());
    auto* gdb = dynamic_cast<GdbSeat*>(&seat);
    if (gdb != nullptr) require(gdb->ask("QStartNoAckMode") == "OK");
  }

  void leave(Seat& seat) {
    const bool running = target_.running();
    seat.session.leave();
    require(target_.running() == running);
    nobody_heard();
    if (driver_ == seat.session.id()) driver_.reset();
    seat.present = false;
    seat.points.clear();
  }

  VcpuId vcpu() { return VcpuId{in_.below(2)}; }
  Address address() {
    const auto kind = in_.once_in(4) ? Space::Kind::physical : Space::Kind::current;
    return {addresses[in_.below(std::size(addresses))], {kind}};
  }
  Point point() {
    Point out{static_cast<PointKind>(in_.below(10)), address(), 1u + in_.below(3)};
    if (is_catch(out.kind) && in_.once_in(2)) out.reads = false;
    if (is_catch(out.kind) && in_.once_in(2)) out.value = in_.below(2);
    return out;
  }
  /// Mostly one that somebody has.
  Point likely_point() {
    const auto all = wanted();
    if (all.empty() || in_.once_in(4)) return point();
    return *std::next(all.begin(), in_.below(all.size()));
  }

  void act() {
    const std::size_t at = in_.below(seats);
    Seat& seat = *seats_[at];
    switch (in_.below(8)) {
    case 0:
      return guest();
    case 1:
      if (in_.once_in(2)) return leave(seat);
      if (!seat.present) sit_down(at);
      return;
    default:
      break;
    }
    auto* gdb = dynamic_cast<GdbSeat*>(&seat);
    if (gdb != nullptr && gdb->present) {
      packet(*gdb);
      return forget_events();
    }
    command(seat);
  }

  void guest() {
    if (!target_.running()) return;
    if (in_.once_in(16)) {
      target_.end_now(in_.byte());
      gone_ = true;
      return all_heard(gone);
    }
    Stop stop{0, {{vcpu(), {reason()}}}};
    if (in_.once_in(3)) {
      stop.vcpus.push_back(
          {VcpuId{1 - static_cast<unsigned>(index(stop.vcpus[0].vcpu))}, {reason()}});
    }
    if (in_.once_in(4)) stop.vcpus[0].reasons.push_back(reason());
    target_.stop_now(std::move(stop));
    all_heard(stopped);
  }

  StopReason reason() {
    const Point at = likely_point();
    switch (in_.below(8)) {
    case 0:
      return Stepped{};
    case 1:
      return Interrupted{in_.once_in(2) ? std::optional(ClientId{1}) : std::nullopt};
    case 2:
      return Crashed{"triple fault"};
    case 3:
      return Halted{};
    case 4:
      return PoweredOff{in_.byte()};
    default:
      break;
    }
    if (is_watch(at.kind)) return HitWatch{at, at.at.value, {}, {}};
    if (is_catch(at.kind)) return Caught{at, at.at.value, in_.once_in(2), in_.byte(), 4};
    return HitPoint{at};
  }

  void command(Seat& seat) {
    switch (in_.below(16)) {
    case 0:
    case 1:
    case 2:
      return insert(seat, point());
    case 3:
      return remove(seat, likely_point());
    case 4:
      return remove_all(seat);
    case 5:
    case 6:
      return resume(seat);
    case 7:
      return registers(seat);
    case 8:
      return memory(seat);
    case 9:
      if (give(seat, TakeControl{})) driver_ = seat.session.id();
      return;
    case 10: {
      const auto before = target_.counts.interrupts;
      require(bool(give(seat, Interrupt{})) == seat.present);
      require(target_.counts.interrupts == before + (seat.present ? 1 : 0));
      return;
    }
    case 11:
      if (give(seat, ResetMachine{})) all_heard(stopped);
      return;
    case 12:
      if (!in_.once_in(8) || !give(seat, PowerOff{})) return;
      gone_ = true;
      return all_heard(gone);
    default:
      return look(seat);
    }
  }

  void look(Seat& seat) {
    switch (in_.below(6)) {
    case 0:
      ignore(give(seat, Translate{vcpu(), address()}));
      break;
    case 1:
      ignore(give(seat, DescribeCore{}));
      break;
    case 2:
      ignore(give(seat, SearchCore{addresses[in_.below(2)]}));
      break;
    case 3:
      if (auto points = give(seat, ListPoints{}))
        require(points->size() == target_.points().size());
      break;
    case 4:
      if (auto list = give(seat, ListClients{})) require(list->size() == arbiter_.client_count());
      break;
    default:
      ignore(give(seat, Console{"x"}));
      break;
    }
    nobody_heard();
  }

  void insert(Seat& seat, const Point& wish) {
    const bool known = wanted().contains(wish);
    const auto refused = refusal(seat, InsertPoint::access);
    auto inserted = give(seat, InsertPoint{vcpu(), wish});
    if (known && !refused) require(bool(inserted)); // never reaches the target
    if (inserted) seat.points.insert(wish);
  }
  void remove(Seat& seat, const Point& wish) {
    auto removed = give(seat, RemovePoint{wish});
    require(!removed || seat.points.contains(wish));
    if (removed) seat.points.erase(wish);
  }
  /// Those that only this client had and that the target would not give up stay its own.
  void remove_all(Seat& seat) {
    const auto refused = refusal(seat, Access::change);
    auto removed = give(seat, RemoveAllPoints{});
    if (refused) return;
    settle(seat);
    require(!removed || seat.points.empty());
  }
  void settle(Seat& seat) {
    std::erase_if(seat.points,
                  [&](const Point& mine) { return shared(seat, mine) || !installed(mine); });
  }

  void resume(Seat& seat) {
    Resume how;
    for (std::size_t i = 0; i < target_.vcpu_count(); ++i) {
      how.motions.push_back(static_cast<Motion>(in_.below(3)));
    }
    if (in_.once_in(4)) how.ranges.assign(2, {0x1000, 0x1000u + in_.byte()});
    const std::uint64_t epoch = target_.stop().epoch;
    const bool ends = powered_off(target_.stop()).has_value();
    if (joins(seat)) return require(*give(seat, ResumeGuest{how}) == Moved::joined);
    if (!give(seat, ResumeGuest{how}, Access::drive)) return;
    require(target_.stop().epoch == epoch);
    began(seat);
    if (ends) {
      gone_ = true;
      return forget_events(); // Gone, in the fake machine before Resumed
    }
    require(target_.running() && target_.last_motions == how.motions);
    all_heard(resumed, seat.session.id());
  }

  void registers(Seat& seat) {
    const RegisterId id{in_.below(toys)};
    const auto one = vcpu();
    const Bytes value(1 + in_.below(16), static_cast<std::byte>(in_.byte()));
    if (give(seat, WriteRegister{one, id, value}) && !gone_) {
      auto back = seat.session.execute(ReadRegister{one, id});
      require(back && *back == value);
    }
    auto read = give(seat, ReadRegister{one, id});
    require(!read || !target_.running());
    nobody_heard();
  }

  void memory(Seat& seat) {
    const Address at = address();
    const auto one = vcpu();
    const Bytes data(in_.below(32), static_cast<std::byte>(in_.byte()));
    if (give(seat, WriteMemory{one, at, data})) {
      all_heard(memory_changed, seat.session.id());
      auto back = seat.session.execute(ReadMemory{one, at, data.size()});
      require(back && *back == data);
    }
    auto read = give(seat, ReadMemory{one, at, 1u + in_.below(64)});
    require(!read || !target_.running() || at.space.kind == Space::Kind::physical);
    nobody_heard();
  }

  // gdb

  std::string motion() {
    static constexpr std::string_view choices[] = {
        "vCont;c", "vCont;s:1;c", "vCont;s", "vCont;c:2", "c", "s", "vCont;r1000,1010:1"};
    return std::string(choices[in_.below(std::size(choices))]);
  }

  void packet(GdbSeat& seat) {
    if (seat.unanswered != 0) { // gdb says nothing else while it waits for a stop
      if (in_.once_in(2)) seat.send("\x03");
      return;
    }
    if (in_.once_in(8)) target_.next_error = Error{Code::kernel, "injected", 5};
    const auto choice = in_.below(8);
    if (choice < 2) {
      place(seat, choice == 0);
    } else if (choice < 4) {
      move(seat, motion());
    } else if (choice == 4) {
      go(seat);
    } else {
      static constexpr std::string_view questions[] = {
          "g",
          "p0",
          "P0=0100000000000000",
          "m1000,8",
          "M1000,2:abcd",
          "m2800,8",
          "Hgp1.2",
          "T2",
          "qfThreadInfo",
          "qC",
          "qRcmd,7265736574",
          "x1000,4",
          "QThing",
          "?",
          "qXfer:osdata:read:points:0,ffb",
          "vCtrlC",
      };
      ask(seat, questions[in_.below(std::size(questions))]);
    }
    target_.next_error.reset();
  }

  void ask(GdbSeat& seat, std::string_view question) {
    const bool running = target_.running(), silent = question == "?" && running && !gone_;
    require(seat.ask(question).has_value() != silent);
    require(target_.running() == running);
  }

  void place(GdbSeat& seat, bool insert) {
    const Point wish{
        static_cast<PointKind>(in_.below(5)), {addresses[in_.below(std::size(addresses))]}, 1};
    const auto packet = fmt_point(insert ? 'Z' : 'z', wish);
    const auto answer = seat.ask(packet);
    require(answer.has_value());
    if (*answer != "OK") return;
    if (insert) seat.points.insert(wish);
    if (!insert) seat.points.erase(wish);
  }
  static std::string fmt_point(char letter, const Point& point) {
    char text[64];
    std::snprintf(text, sizeof text, "%c%d,%llx,1", letter, static_cast<int>(point.kind),
                  static_cast<unsigned long long>(point.at.value));
    return text;
  }

  /// Answered at once (an error, an untold stop, the end), or by the next stop.
  void move(GdbSeat& seat, std::string_view motion) {
    const Moves before = moves();
    const auto refused = refusal(seat, Access::drive);
    const bool ends = powered_off(target_.stop()).has_value(), joined = joins(seat);
    const auto answer = seat.ask(motion);
    const bool moved = moves() != before;
    require(!moved || !refused);
    if (gone_ || !joined) {
      require(answer.has_value() == !moved);
    } else if (!answer) {
      require(!moved);
    }
    if (moved) began(seat);
    if (ends && answer && answer->starts_with('W')) end(seat);
  }
  /// A resume after the guest's last stop.
  void end(const Seat& seat) {
    if (!gone_) began(seat);
    gone_ = true;
  }

  void go(GdbSeat& seat) {
    const Moves before = moves();
    const bool ends = powered_off(target_.stop()).has_value(), running = target_.running();
    const auto refused = refusal(seat, Access::drive);
    const auto answer = seat.ask("D");
    require(answer.has_value());
    if (!gone_ && !running) settle(seat);
    if (*answer != "OK") return require(moves() == before);
    require(gone_ || seat.points.empty());
    if (!gone_ && !refused) {
      began(seat);
      if (ends) gone_ = true;
      require(ends || target_.running());
    }
  }

  static constexpr std::size_t toys = 10;
  fakes::FakeTarget target_;
  Trace trace_;
  Arbiter arbiter_{target_, trace_};
  Choices in_;
  std::array<std::unique_ptr<Seat>, seats> seats_;
  std::optional<ClientId> driver_, runner_;
  bool gone_ = false;
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  World world(std::as_bytes(std::span(data, size)));
  world.live();
  return 0;
}
