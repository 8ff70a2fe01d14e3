#include "protocols/gdb/resume.hpp"

#include "adapter/commands.hpp"
#include "protocols/gdb/stop_reply.hpp"
#include "protocols/gdb/text.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace kdbg::gdb {
namespace {

/// Is a hit still of this client's points? It may have taken the point out since.
bool stands(const Conversation& c, const VcpuStop& stop) {
  return std::any_of(stop.reasons.begin(), stop.reasons.end(), [&](const StopReason& reason) {
    if (const Point* point = point_of(reason)) return c.session.owns(*point);
    return std::holds_alternative<Crashed>(reason);
  });
}

/// The next vCPU whose stop the client has yet to hear of, among those that are to move.
std::optional<VcpuStop> take_untold(Conversation& c, const std::vector<Motion>& motions) {
  for (auto stop = c.untold.begin(); stop != c.untold.end();) {
    if (motions[index(stop->vcpu)] == Motion::hold) {
      ++stop;
      continue;
    }
    VcpuStop taken = std::move(*stop);
    stop = c.untold.erase(stop);
    if (stands(c, taken)) return taken;
  }
  return {};
}

/// What a debugger shows by itself, whatever it had asked for.
bool speaks_for_itself(const Conversation& c, const VcpuStop& stop) {
  return find_own<HitWatch>(c, stop) || find_own_at_pc(c, stop) || find_reason<Crashed>(stop);
}

/// Whom a resume is about in the first place: one that steps.
std::optional<VcpuId> mover_of(const std::vector<Motion>& motions) {
  auto mover = std::find(motions.begin(), motions.end(), Motion::step);
  if (mover == motions.end()) mover = std::find(motions.begin(), motions.end(), Motion::run);
  if (mover == motions.end()) return {};
  return VcpuId{static_cast<std::uint32_t>(mover - motions.begin())};
}

/// The answer to a resume that did not happen, of a vCPU that was to move: a debugger looks for a
/// reason there.
Answer refuse(Conversation& c, const std::vector<Motion>& motions, const Error& error) {
  const auto mover = mover_of(motions);
  if (mover && motions[index(c.general)] != motions[index(*mover)]) c.general = *mover;
  return c.dialect.refuse_resume(c, error);
}

bool all_move(const std::vector<Motion>& motions) {
  return std::find(motions.begin(), motions.end(), Motion::hold) == motions.end();
}

/// What the client asks for was meant for another place than where the guest is.
bool meant_elsewhere(const Conversation& c, const std::vector<Motion>& motions) {
  const bool half_told = c.told_as_step == c.target().stop().epoch;
  return c.behind() && (all_move(motions) || !half_told);
}

constexpr const char* moved_by_others = "the guest has been moved by others since";

/// gdb forgets the registers of those vCPUs alone that it wanted to move: told as the end of a
/// step, it goes on from a breakpoint that it only wanted to get off, moves all, and hears the
/// rest.
Answer tell_as_step(Conversation& c, VcpuId vcpu) {
  const std::uint64_t epoch = c.target().stop().epoch;
  c.told_as_step = epoch;
  c.general = vcpu;
  return say(c.dialect.render_stop(c, Stop{epoch, {{vcpu, {Stepped{}}}}}));
}

/// The present stop in place of a run. Of a vCPU that was to move: lldb would ask again without end
/// for another, and gdb 13 fails an assertion of its own. Not as a plain trap, which a debugger
/// that is getting off a breakpoint takes for the end of its own step, and goes on.
Answer tell_present(Conversation& c, const std::vector<Motion>& motions) {
  Stop stop = c.target().stop();
  const auto shown = std::find_if(stop.vcpus.begin(), stop.vcpus.end(), [&](const VcpuStop& entry) {
    return motions[index(entry.vcpu)] != Motion::hold && speaks_for_itself(c, entry);
  });
  const bool keeps_registers = !c.features.lldb && !all_move(motions);
  if (keeps_registers) {
    c.print(fmt::format("{}; what gdb still shows of other vCPUs is old: "
                        "maintenance flush register-cache\n",
                        moved_by_others));
  }
  if (shown != stop.vcpus.end()) {
    std::rotate(stop.vcpus.begin(), shown, shown + 1);
    return say(c.tell(stop));
  }
  const auto mover = mover_of(motions);
  if (mover && keeps_registers) return tell_as_step(c, *mover);
  c.tell(stop);
  return refuse(c, motions, {Code::not_owner, moved_by_others});
}

Answer resume(Conversation& c, const Resume& how) {
  if (c.gone) return say(render_exit(c));
  if (!c.session.running()) {
    if (auto stop = take_untold(c, how.motions)) {
      return say(c.tell(Stop{c.target().stop().epoch, {*std::move(stop)}}));
    }
  }
  // No run, no stop to wait for: the present one is the answer.
  if (!mover_of(how.motions) && !c.session.running()) return say(c.tell(c.target().stop()));
  if (!c.session.running() && meant_elsewhere(c, how.motions)) return tell_present(c, how.motions);
  const bool owed = std::exchange(c.stop_owed, true);
  auto resumed = c.session.execute(ResumeGuest{how});
  if (resumed && *resumed != Moved::present) return say_nothing();
  c.stop_owed = owed;
  if (!resumed) return refuse(c, how.motions, resumed.error());
  return tell_present(c, how.motions);
}

} // namespace

/// RSP cannot say "running" to somebody who asks, so asking stops the guest; a follower comes when
/// it stands.
Answer why_stopped(Conversation& c) {
  if (c.gone) return say(render_exit(c));
  if (!c.session.running()) {
    c.untold.clear();
    return say(c.tell(c.target().stop()));
  }
  if (c.session.follower()) return Error{Code::running, "the guest is running"};
  c.stop_owed = true;
  if (auto asked = c.session.execute(Interrupt{}); !asked) {
    c.stop_owed = false;
    return asked.error();
  }
  return say_nothing();
}

namespace {

Answer ask_why(Conversation& c, std::string_view) {
  return why_stopped(c);
}

// vCont

Answer list_actions(Conversation&, std::string_view) {
  return say("vCont;c;C;s;S;t;r");
}

struct Action {
  Motion motion = Motion::hold;
  StepRange range{};
  ThreadRef whom{ThreadRef::Kind::all};

  bool means(VcpuId vcpu, VcpuId any) const {
    if (whom.kind == ThreadRef::Kind::all) return true;
    return vcpu == (whom.kind == ThreadRef::Kind::one ? whom.vcpu : any);
  }
};

/// START,END: linear addresses, the last one excluded.
Result<StepRange> parse_step_range(Scanner& scanner) {
  StepRange range;
  range.begin = TRY(scanner.hex("start"));
  TRY(scanner.expect(','));
  range.end = TRY(scanner.hex("end"));
  return range;
}

/// `c`, `C05`, `s`, `S05`, `t`, `r1000,1010`. Signals mean nothing to a machine and are dropped.
Status parse_verb(std::string_view text, Action& action) {
  if (text.empty()) return Error{Code::bad_request, "an empty vCont action"};
  const char letter = text.front();
  Scanner scanner(text.substr(1));
  if (letter == 'C' || letter == 'S') TRY(scanner.hex("signal"));
  switch (letter) {
  case 'c':
  case 'C':
    action.motion = Motion::run;
    break;
  case 'r':
    action.range = TRY(parse_step_range(scanner));
    action.motion = Motion::step;
    break;
  case 's':
  case 'S':
    action.motion = Motion::step;
    break;
  case 't':
    action.motion = Motion::hold;
    break;
  default:
    return Error{Code::bad_request, fmt::format("no vCont action '{}'", letter)};
  }
  return scanner.finish();
}

/// VERB or VERB:THREAD
Result<Action> parse_action(const Conversation& c, std::string_view text) {
  const std::size_t colon = text.find(':');
  Action action;
  TRY(parse_verb(text.substr(0, colon), action));
  if (colon != std::string_view::npos) action.whom = TRY(parse_thread(c, text.substr(colon + 1)));
  return action;
}

/// Leftmost match wins; whom no action names is held.
Answer resume_each(Conversation& c, std::string_view arguments) {
  std::vector<Action> actions;
  Scanner scanner(arguments);
  do {
    actions.push_back(TRY(parse_action(c, scanner.until(';'))));
  } while (!scanner.done());
  Resume how{std::vector<Motion>(c.target().vcpu_count(), Motion::hold)};
  for (std::size_t i = 0; i < how.motions.size(); ++i) {
    const auto chosen = std::find_if(actions.begin(), actions.end(), [&](const Action& action) {
      return action.means(static_cast<VcpuId>(i), c.general);
    });
    if (chosen == actions.end()) continue;
    how.motions[i] = chosen->motion;
    if (chosen->range == StepRange{}) continue;
    how.ranges.resize(how.motions.size());
    how.ranges[i] = chosen->range;
  }
  return resume(c, how);
}

// c C s S

/// As gdbserver: with a thread chosen by Hc only that one moves; else the selected one does it
/// and the others run.
Answer resume_plain(Conversation& c, Motion motion) {
  const bool chosen = c.moving.kind == ThreadRef::Kind::one;
  const VcpuId one = chosen ? c.moving.vcpu : c.general;
  Resume how{std::vector<Motion>(c.target().vcpu_count(), chosen ? Motion::hold : Motion::run)};
  how.motions[index(one)] = motion;
  return resume(c, how);
}

/// `c ADDR` goes on at ADDR.
Answer resume_at(Conversation& c, Motion motion, Scanner scanner) {
  if (scanner.done()) return resume_plain(c, motion);
  const std::uint64_t at = TRY(scanner.hex("address"));
  TRY(scanner.finish());
  const ArchInfo& arch = c.target().arch();
  Bytes value(arch.registers[index(arch.pc)].bits / 8U);
  for (std::size_t i = 0; i < value.size(); ++i) {
    value[i] = static_cast<std::byte>(i < 8 ? at >> (8 * i) : 0);
  }
  const VcpuId one = c.moving.kind == ThreadRef::Kind::one ? c.moving.vcpu : c.general;
  TRY(c.write_register(one, arch.pc, value));
  return resume_plain(c, motion);
}

Answer resume_signalled(Conversation& c, Motion motion, std::string_view arguments) {
  Scanner scanner(arguments);
  TRY(scanner.hex("signal"));
  if (!scanner.done()) TRY(scanner.expect(';'));
  return resume_at(c, motion, scanner);
}

Answer run(Conversation& c, std::string_view arguments) {
  return resume_at(c, Motion::run, Scanner(arguments));
}
Answer run_signalled(Conversation& c, std::string_view arguments) {
  return resume_signalled(c, Motion::run, arguments);
}
Answer step(Conversation& c, std::string_view arguments) {
  return resume_at(c, Motion::step, Scanner(arguments));
}
Answer step_signalled(Conversation& c, std::string_view arguments) {
  return resume_signalled(c, Motion::step, arguments);
}

// Leaving

} // namespace

Status detach(Conversation& c, Leave how) {
  if (c.gone) return Done{};
  c.untold.clear();
  TRY(c.session.execute(RemoveAllPoints{}));
  if (how == Leave::stopped) return Done{};
  std::vector<Motion> motions(c.target().vcpu_count(), Motion::run);
  auto resumed = c.session.execute(ResumeGuest{{std::move(motions)}});
  if (!resumed && resumed.error().code != Code::not_owner) return resumed.error();
  return Done{};
}

namespace {

/// A client of the extended kind stays, most likely to run the machine anew: it is held for that.
Status kill(Conversation& c) {
  if (c.gone || (c.settings.kill == KillPolicy::detach && !c.extended)) return detach(c);
  c.untold.clear();
  TRY(c.session.execute(RemoveAllPoints{}));
  if (c.settings.kill == KillPolicy::poweroff) TRY(c.session.execute(PowerOff{}));
  return Done{};
}

} // namespace

Status check_process(const Conversation& c, std::string_view text) {
  Scanner scanner(text);
  const std::uint64_t pid = TRY(scanner.hex("process id"));
  TRY(scanner.finish());
  if (pid == c.settings.process || pid == customary_process) return Done{};
  return Error{Code::no_such_vcpu,
               fmt::format("no process {:x}: there is only {:x}", pid, c.settings.process)};
}

namespace {

Answer detach_packet(Conversation& c, std::string_view) {
  TRY(detach(c));
  return say_ok();
}

Answer detach_process(Conversation& c, std::string_view pid) {
  TRY(check_process(c, pid));
  return detach_packet(c, {});
}

/// `k` has no answer; what fails here is done again when the connection closes.
Answer kill_packet(Conversation& c, std::string_view) {
  if (auto killed = kill(c); !killed) c.session.trace().note("kill: " + killed.error().what);
  return say_nothing();
}

Answer kill_process(Conversation& c, std::string_view pid) {
  TRY(check_process(c, pid));
  TRY(kill(c));
  return say_ok();
}

/// The interrupt byte as a packet, for clients that do not stop all vCPUs at once.
Answer interrupt_packet(Conversation& c, std::string_view) {
  TRY(c.session.execute(Interrupt{}));
  return say_ok();
}

constexpr Row rows[] = {
    {"?", Row::Match::exact, &ask_why},
    {"vCont?", Row::Match::exact, &list_actions},
    {"vCont;", Row::Match::prefix, &resume_each},
    {"c", Row::Match::prefix, &run},
    {"C", Row::Match::prefix, &run_signalled},
    {"s", Row::Match::prefix, &step},
    {"S", Row::Match::prefix, &step_signalled},
    {"D", Row::Match::exact, &detach_packet},
    {"D;", Row::Match::prefix, &detach_process},
    {"k", Row::Match::exact, &kill_packet},
    {"vKill;", Row::Match::prefix, &kill_process},
    {"vCtrlC", Row::Match::exact, &interrupt_packet},
};

} // namespace

Table resume_packets() {
  return rows;
}

namespace {

/// lldb interrupts whenever it has something to say while the guest runs. Only it stops then; what
/// stops the guest for its user is a request of its client's other connection.
void stop_alone(Conversation& c) {
  c.stop_owed = false;
  c.session.told_stop();
  c.answer_late(fmt::format("T02thread:{};reason:signal;", render_thread(c, c.general)));
}

} // namespace

void interrupt(Conversation& conversation) {
  if (!conversation.stop_owed) return;
  if (conversation.session.follower()) return stop_alone(conversation);
  if (auto asked = conversation.session.execute(Interrupt{}); !asked) {
    conversation.print(asked.error().what + "\n");
  }
}

} // namespace kdbg::gdb
