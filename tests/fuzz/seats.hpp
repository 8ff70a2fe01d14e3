#pragma once
/// Those who come and go in commands_fuzz: clients that keep what they are told, and gdb's front
/// end, whose answers are counted.
#include "protocols/gdb/front_end.hpp"
#include "protocols/gdb/text.hpp"
#include "protocols/lldb/protocol.hpp"
#include "tests/fakes/fake_target.hpp"
#include "tests/fuzz/choices.hpp"

#include <set>

namespace kdbg::fuzz {

/// One client. It stays in its seat after it has left, so that it can be seen to be refused.
class Seat {
public:
  Seat(Target& target, Arbiter& arbiter, Trace& trace) : session(target, arbiter, trace) {}
  virtual ~Seat() = default;
  Seat(const Seat&) = delete;
  Seat& operator=(const Seat&) = delete;

  Session session;
  bool present = true;
  std::set<Point> points; ///< that it must own
  virtual FrontEnd& front_end() = 0;
};

/// Gives commands by itself.
class PlainSeat final : public Seat {
public:
  using Seat::Seat;
  FrontEnd& front_end() override { return heard; }

  class Ear final : public FrontEnd {
  public:
    Status receive(ByteView) override { return Done{}; }
    void on_event(const Event& event) override {
      if (fakes::of_guest(event)) events.push_back(event);
    }
    std::vector<Event> events;
  } heard;
};

/// Gives gdb's packets, one at a time, without acknowledgements.
class GdbSeat final : public Seat {
public:
  GdbSeat(Target& target, Arbiter& arbiter, Trace& trace)
      : Seat(target, arbiter, trace),
        rsp_(
            session,
            [this](const std::string& bytes) { hear(gdb::bytes_of(bytes)); },
            lldb::dialect(),
            gdb::Settings{}) {}
  FrontEnd& front_end() override { return rsp_; }

  /// The answer, or nothing when it comes later.
  std::optional<std::string> ask(std::string_view packet) {
    ++unanswered;
    last_.reset();
    send(gdb::frame(packet));
    return std::exchange(last_, {});
  }
  void send(std::string_view bytes) { require(bool(rsp_.receive(gdb::bytes_of(bytes)))); }

  int unanswered = 0; ///< packets

private:
  void hear(ByteView bytes) {
    while (auto token = decoder_.next(bytes)) {
      if (token->kind == gdb::Token::Kind::ack) continue;
      require(token->kind == gdb::Token::Kind::packet && token->checksum_ok);
      // console output, which "OK" is not
      if (token->payload.starts_with('O') && token->payload != "OK") continue;
      require(--unanswered >= 0);
      last_ = token->payload;
    }
  }

  gdb::Decoder decoder_;
  gdb::RspFrontEnd rsp_;
  std::optional<std::string> last_;
};

} // namespace kdbg::fuzz
