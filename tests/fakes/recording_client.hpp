#pragma once
/// Test doubles above the arbiter: a front end that keeps events, and a gdb client on a fake
/// machine that keeps what it is sent.
#include "protocols/gdb/front_end.hpp"
#include "tests/fakes/fake_target.hpp"

namespace kdbg::fakes {

class RecordingFrontEnd final : public FrontEnd {
public:
  Status receive(ByteView) override { return Done{}; }
  void on_event(const Event& event) override {
    const bool of_guest =
        std::holds_alternative<Stopped>(event) || std::holds_alternative<Resumed>(event) ||
        std::holds_alternative<MemoryChanged>(event) || std::holds_alternative<Gone>(event);
    (of_guest ? events : news).push_back(event);
  }
  std::vector<Event> events; ///< of the guest
  std::vector<Event> news;   ///< of clients, points and the console
};

/// One machine and its arbiter.
struct Machine {
  explicit Machine(std::size_t vcpus = 2) : target(vcpus) {
    target.publish = [this](const Event& event) { arbiter.publish(event); };
  }
  FakeTarget target;
  Trace trace;
  Arbiter arbiter{target, trace};
};

/// What a client makes of run-length encoding: the same stream with every run spelled out, each
/// sum checked first and made anew. Throws on a sum or a run that is off.
std::string spell_out(std::string_view stream);

/// A connection without a socket. `sent` holds one string per call of the sink.
class GdbClient {
public:
  explicit GdbClient(Machine& machine, gdb::Settings settings = {}, bool acks = false);
  ~GdbClient() { session.leave(); }
  GdbClient(const GdbClient&) = delete;
  GdbClient& operator=(const GdbClient&) = delete;

  /// Raw bytes in.
  void feed(std::string_view bytes);
  /// One packet in, its answers out: payloads, unescaped, joined by '|'.
  std::string ask(std::string_view payload);
  /// What came since the last look, as ask() shows it.
  std::string heard();
  std::string raw();

  std::vector<std::string> sent;
  Session session;
  gdb::RspFrontEnd front_end;
};

} // namespace kdbg::fakes
