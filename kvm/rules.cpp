#include "kvm/rules.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace kdbg::kvm {

void Rules::add(const Point& point) {
  const std::lock_guard lock(mutex_);
  entries_.try_emplace(point);
}

void Rules::agree(const Point& point, std::vector<Wish> wishes) {
  const std::lock_guard lock(mutex_);
  auto& terms = entries_[point].terms;
  std::vector<Term> next;
  for (Wish& wish : wishes) {
    const auto same = std::find_if(terms.begin(), terms.end(), [&](const Term& term) {
      return term.client == wish.client && *term.rule == wish.rule;
    });
    next.push_back(same != terms.end()
                       ? *same
                       : Term{wish.client, std::make_shared<const Rule>(std::move(wish.rule))});
  }
  terms = std::move(next);
}

void Rules::forget(const Point& point) {
  const std::lock_guard lock(mutex_);
  entries_.erase(point);
}

bool Rules::knows(const Point& point) const {
  const std::lock_guard lock(mutex_);
  return entries_.contains(point);
}

/// Nothing when the wish that was asked is no longer this client's.
Rules::Term* Rules::find(const Point& point, const Asked& asked) {
  const auto entry = entries_.find(point);
  if (entry == entries_.end()) return nullptr;
  for (Term& term : entry->second.terms) {
    if (term.client == asked.client && term.rule == asked.rule) return &term;
  }
  return nullptr;
}

/// gdb sends a condition for each of its breakpoints at one address: any will do.
Rules::Answer Rules::ask(const Rule& rule, const Scene& scene) {
  Answer answer{rule.conditions.empty(), {}};
  for (const Expression& condition : rule.conditions) {
    auto result = evaluate(condition.code, scene);
    if (!result) return {false, result.error().what};
    if (result->value != 0) return {true, {}};
  }
  return answer;
}

/// What cannot be printed is said in its place: a log line is no reason to stop.
std::string Rules::render_log(const Rule& rule, const Scene& scene) {
  std::string line;
  for (const Expression& each : rule.log) {
    auto printed = evaluate(each.code, scene);
    line += printed ? printed->printed : fmt::format("<{}>", printed.error().what);
  }
  if (line.ends_with('\n')) line.pop_back();
  return line;
}

/// Counts a hit whose condition held, or could not be evaluated. False: this time it means nothing,
/// or the client has just taken its wish back.
bool Rules::count(const Point& point, const Asked& asked, bool failed) {
  const std::lock_guard lock(mutex_);
  Term* term = find(point, asked);
  if (term == nullptr) return false;
  if (!failed) ++term->held;
  if (!failed && !asked.rule->hits.holds(term->held)) return false;
  ++term->done;
  return true;
}

void Rules::log(const Point& point, const Asked& asked, VcpuId vcpu, std::string line, Time now) {
  const std::lock_guard lock(mutex_);
  Term* term = find(point, asked);
  if (term == nullptr) return;
  if (now - term->second >= std::chrono::seconds(1)) {
    term->second = now;
    term->lines = 0;
  }
  if (term->lines == most_lines || log_.size() >= most_waiting) {
    ++term->dropped;
    return;
  }
  ++term->lines;
  log_.push_back({asked.client, point, vcpu, std::move(line), std::exchange(term->dropped, 0)});
}

/// What one client says to a hit.
void Rules::consult(const Point& point,
                    const Asked& asked,
                    VcpuId vcpu,
                    const Scene& scene,
                    Time now,
                    Judgement& out) {
  const Answer answer = ask(*asked.rule, scene);
  const bool failed = !answer.failure.empty();
  if (!(answer.holds || failed) || !count(point, asked, failed)) return;
  if (!failed && !asked.rule->log.empty()) {
    log(point, asked, vcpu, render_log(*asked.rule, scene), now);
    out.logged = true;
    return;
  }
  out.stops = true;
  out.matched.clients.push_back(asked.client);
  if (!failed) return;
  if (!out.matched.note.empty()) out.matched.note += "; ";
  out.matched.note += fmt::format("client {}'s condition cannot be evaluated: {}",
                                  static_cast<std::uint32_t>(asked.client), answer.failure);
}

/// Expressions are evaluated without the lock: they take a while, and the guest's other vCPUs hit
/// points too.
Rules::Judgement Rules::judge(const Point& point, VcpuId vcpu, const Scene& scene, Time now) {
  std::vector<Asked> all;
  {
    const std::lock_guard lock(mutex_);
    const auto entry = entries_.find(point);
    if (entry == entries_.end()) return {};
    for (const Term& term : entry->second.terms) {
      all.push_back({term.client, term.rule});
    }
  }
  Judgement out{.stops = all.empty()};
  for (const Asked& asked : all) {
    consult(point, asked, vcpu, scene, now, out);
  }
  if (!out.stops && !out.logged) return out;
  const std::lock_guard lock(mutex_);
  if (const auto entry = entries_.find(point); entry != entries_.end()) ++entry->second.hits;
  return out;
}

std::vector<LogLine> Rules::take_log(bool all) {
  const std::lock_guard lock(mutex_);
  std::vector<LogLine> out = std::exchange(log_, {});
  if (!all) return out;
  for (auto& [point, entry] : entries_) {
    for (Term& term : entry.terms) {
      if (term.dropped == 0) continue;
      out.push_back({term.client, point, VcpuId{}, {}, std::exchange(term.dropped, 0)});
    }
  }
  return out;
}

void Rules::describe(PointState& state) const {
  const std::lock_guard lock(mutex_);
  const auto entry = entries_.find(state.point);
  if (entry == entries_.end()) return;
  state.hits = entry->second.hits;
  for (const Term& term : entry->second.terms) {
    state.wishes.push_back({term.client, kdbg::describe(*term.rule), term.held, term.done});
  }
}

} // namespace kdbg::kvm
