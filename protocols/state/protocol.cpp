#include "protocols/state/protocol.hpp"

#include "adapter/session.hpp"

namespace kdbg::state {
namespace {

std::string render_state(const Target& target) {
  if (target.running()) return "running\n";
  std::string why = describe(target.stop().vcpus.front().reasons.front());
  for (char& c : why) { // one line, whatever a crash was described with
    if (c == '\n') c = ' ';
  }
  return "stopped: " + why + "\n";
}

class StateFrontEnd final : public FrontEnd {
public:
  StateFrontEnd(const Target& target, Sink sink) : target_(target), sink_(std::move(sink)) {}

  Status receive(ByteView chunk) override {
    for (const std::byte b : chunk) {
      if (static_cast<char>(b) != question[heard_]) {
        return Error{Code::bad_request, "it asks something else than \"state\""};
      }
      if (++heard_ < question.size()) continue;
      heard_ = 0;
      sink_(render_state(target_));
    }
    return Done{};
  }
  void on_event(const Event&) override {} // it was not asked yet

private:
  const Target& target_;
  Sink sink_;
  std::size_t heard_ = 0; ///< of the question
};

bool speaks(std::byte first) {
  return static_cast<char>(first) == question.front();
}

std::unique_ptr<FrontEnd> open(Session& session, Sink sink) {
  return std::make_unique<StateFrontEnd>(session.target(), std::move(sink));
}

} // namespace

Protocol protocol() {
  return {"state", &speaks, &open, false};
}

} // namespace kdbg::state
