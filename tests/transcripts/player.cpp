#include "tests/transcripts/player.hpp"

#include "protocols/gdb/text.hpp"

#include <fmt/format.h>
#include <regex>
#include <sstream>
#include <stdexcept>

namespace kdbg::transcripts {
namespace {

[[noreturn]] void fail(const std::string& what) {
  throw std::runtime_error(what);
}

/// The first '+', '-' or frame in `bytes`.
std::string_view first_token(std::string_view bytes) {
  if (!bytes.starts_with('$') && !bytes.starts_with('%')) return bytes.substr(0, 1);
  return bytes.substr(0, std::min(bytes.find('#') + 3, bytes.size()));
}

bool wants_interrupt(const Stop& stop) {
  const auto* reason = std::get_if<Interrupted>(&stop.vcpus.front().reasons.front());
  return reason && reason->by;
}

Code read_code(const std::string& word) {
  if (word == "unsupported") return Code::unsupported;
  if (word == "no_free_slot") return Code::no_free_slot;
  if (word == "kernel") return Code::kernel;
  if (word == "closed") return Code::closed;
  fail("no error code " + word);
}

std::string motions_of(const fakes::FakeTarget& target) {
  std::string text;
  for (std::size_t i = 0; i < target.last_motions.size(); ++i) {
    const Motion motion = target.last_motions[i];
    text += motion == Motion::hold ? " hold" : motion == Motion::run ? " run" : " step";
    if (target.last_ranges.empty() || target.last_ranges[i] == StepRange{}) continue;
    text += fmt::format("[{:x},{:x})", target.last_ranges[i].begin, target.last_ranges[i].end);
  }
  return text;
}

void check_equal(const std::string& what, const std::string& found, const std::string& wanted) {
  if (found != wanted) fail(fmt::format("{}: expected{}, found{}", what, wanted, found));
}

} // namespace

void Player::play(const std::vector<Line>& lines) {
  machine_ = std::make_unique<fakes::Machine>();
  for (const Line& line : lines) {
    try {
      play(line);
    } catch (const std::exception& error) {
      throw std::runtime_error(fmt::format("line {}: {}", line.number, error.what()));
    }
  }
  expect_silence();
  peers_.clear();
}

void Player::play(const Line& line) {
  switch (line.kind) {
  case Line::Kind::to_client:
    return expect(peer(line.client), line.text);
  case Line::Kind::pattern:
    return expect_match(peer(line.client), line.text);
  case Line::Kind::to_server:
    expect_silence();
    return feed(peer(line.client), line.text);
  case Line::Kind::event:
    return happen(read_event(line.text));
  case Line::Kind::instruction:
    return instruct(line.text);
  case Line::Kind::left:
    expect_silence();
    peer(line.client).gdb.session.leave();
    return;
  }
}

Player::Peer& Player::peer(unsigned number) {
  auto& found = peers_[number];
  if (!found) {
    found = std::make_unique<Peer>(*machine_);
    if (found->gdb.session.id() != static_cast<ClientId>(number)) {
      fail(fmt::format("client {} cannot come now", number));
    }
  }
  return *found;
}

void Player::feed(Peer& to, std::string_view bytes) {
  std::size_t length = bytes.size();
  while (!bytes.empty()) {
    if (feeding_ == Feeding::by_byte) length = 1;
    if (feeding_ == Feeding::random) length = 1 + random_() % bytes.size();
    to.gdb.feed(bytes.substr(0, length));
    bytes.remove_prefix(std::min(length, bytes.size()));
  }
  collect();
}

void Player::collect() {
  for (auto& [number, peer] : peers_) {
    peer->unread += peer->gdb.raw();
  }
}

void Player::expect(Peer& from, std::string_view bytes) {
  if (!from.unread.starts_with(bytes)) {
    fail(fmt::format("expected\n  {}\nfound\n  {}", shown(bytes), shown(from.unread)));
  }
  from.unread.erase(0, bytes.size());
}

void Player::expect_match(Peer& from, const std::string& pattern) {
  const std::string token = shown(first_token(from.unread));
  if (!std::regex_search(token, std::regex(pattern, std::regex::extended))) {
    fail(fmt::format("expected\n  /{}/\nfound\n  {}", pattern, token));
  }
  from.unread.erase(0, first_token(from.unread).size());
}

void Player::expect_silence() {
  for (const auto& [number, peer] : peers_) {
    if (!peer->unread.empty()) {
      fail(fmt::format("client {} got unasked\n  {}", number, shown(peer->unread)));
    }
  }
}

void Player::happen(const Event& event) {
  fakes::FakeTarget& target = machine_->target;
  // A trace also holds what clients caused, ahead of the answer: that has happened already.
  if (std::holds_alternative<MemoryChanged>(event)) return;
  if (std::holds_alternative<Resumed>(event) && target.running()) return;
  expect_silence();
  if (const auto* stopped = std::get_if<Stopped>(&event)) {
    if (wants_interrupt(stopped->stop) && interrupts_taken_ == target.counts.interrupts) {
      fail("nobody asked for this interrupt");
    }
    interrupts_taken_ = target.counts.interrupts;
    target.stop_now(stopped->stop);
  }
  if (const auto* gone = std::get_if<Gone>(&event)) target.end_now(gone->status);
  if (std::holds_alternative<LogLine>(event)) machine_->arbiter.publish(event);
  if (std::holds_alternative<Resumed>(event)) {
    target.start_running();
    machine_->arbiter.publish(event);
  }
  collect();
}

void Player::instruct(std::string_view words) {
  fakes::FakeTarget& target = machine_->target;
  std::istringstream in{std::string(words)};
  std::string what, word, rest;
  in >> what;
  if (what == "vcpus") {
    unsigned count = 0;
    in >> count;
    machine_ = std::make_unique<fakes::Machine>(count);
    return;
  }
  if (what == "fail") {
    in >> word >> std::ws;
    std::getline(in, rest);
    target.next_error = Error{read_code(word), rest};
    return;
  }
  std::getline(in, rest);
  if (what == "interrupts") {
    return check_equal(what, fmt::format(" {}", target.counts.interrupts), rest);
  }
  if (what == "points") return check_equal(what, fmt::format(" {}", target.points().size()), rest);
  if (what == "motions") return check_equal(what, motions_of(target), rest);
  if (what == "guest") return check_equal(what, target.running() ? " running" : " stopped", rest);
  fail(fmt::format("no instruction \"{}\"", what));
}

} // namespace kdbg::transcripts
