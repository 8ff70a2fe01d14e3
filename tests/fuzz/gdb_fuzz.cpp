// Throws bytes and stops at the gdb front end. No input may crash it, make it say more than it was
// asked, or leave a point behind. The same bytes are fed twice, in pieces and whole, and must be
// answered alike; when stops happen between the pieces, once.
#include "protocols/gdb/front_end.hpp"
#include "protocols/gdb/text.hpp"
#include "protocols/lldb/protocol.hpp"
#include "tests/fakes/fake_target.hpp"
#include "tests/fuzz/choices.hpp"

namespace {

using namespace kdbg;
using fuzz::require;

constexpr std::uint8_t no_stops = 1; // in the first byte

/// A front end on a machine of its own, and what it said.
class Connection {
public:
  Connection() {
    target.publish = [this](const Event& event) { arbiter_.publish(event); };
    session_.join(front_end_);
  }
  ~Connection() {
    session_.leave();
    require(target.points().empty() || ended);
    check_frames();
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void feed(ByteView bytes) { require(bool(front_end_.receive(bytes))); }

  fakes::FakeTarget target;
  std::string said;
  bool ended = false; ///< the machine, which then keeps what it has

private:
  /// Each frame is whole, fits, and has its sum.
  void check_frames() const {
    gdb::Decoder decoder;
    ByteView bytes = gdb::bytes_of(said);
    while (auto token = decoder.next(bytes)) {
      require(token->kind == gdb::Token::Kind::packet ? token->checksum_ok
                                                      : token->kind != gdb::Token::Kind::oversize);
    }
  }

  Trace trace_;
  // a clock that stands still: the same bytes are answered alike
  Arbiter arbiter_{target, trace_, [] { return std::chrono::system_clock::time_point{}; }};
  Session session_{target, arbiter_, trace_};
  gdb::RspFrontEnd front_end_{session_, [this](const std::string& bytes) { said += bytes; },
                              lldb::dialect(), gdb::Settings{}};
};

StopReason reason(std::uint8_t choice) {
  const Point code{PointKind::software, Address{0x1000}, 1};
  const Point data{PointKind::write, Address{0x1000}, 4};
  const Point port{PointKind::port, Address{0x3f8}, 1};
  switch (choice % 8) {
  case 0:
    return HitPoint{code};
  case 1:
    return HitWatch{data, 0x1002, {}, {}};
  case 2:
    return Caught{port, 0x3f8, true, 0x41, 1};
  case 3:
    return Interrupted{};
  case 4:
    return Crashed{"triple fault"};
  case 5:
    return PoweredOff{3};
  case 6:
    return Halted{};
  default:
    return Stepped{};
  }
}

/// The end of the machine may come by itself, by a resume after its last stop, or by a client.
void feed_pieces(Connection& connection, ByteView input, bool stops) {
  while (!input.empty()) {
    const auto choice = std::to_integer<std::uint8_t>(input[0]);
    const std::size_t piece = std::min<std::size_t>(input.size(), 1u + choice);
    connection.feed(input.first(piece));
    input = input.subspan(piece);
    if (!stops || !connection.target.running() || choice % 2 != 0) continue;
    const VcpuId first{choice / 2u % 2};
    const VcpuId second{1 - static_cast<std::uint32_t>(first)};
    Stop stop{0, {{first, {reason(choice / 4)}}}};
    if (choice >= 128) stop.vcpus.push_back({second, {reason(choice / 8)}});
    connection.target.stop_now(std::move(stop));
  }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  ByteView input = std::as_bytes(std::span(data, size));
  const bool stops = input.empty() || std::to_integer<std::uint8_t>(input[0]) != no_stops;
  if (!stops) input = input.subspan(1);
  Connection pieces;
  feed_pieces(pieces, input, stops);
  pieces.ended = pieces.target.gone();
  if (stops) return 0;
  Connection whole;
  whole.feed(input);
  whole.ended = whole.target.gone();
  require(whole.said == pieces.said);
  return 0;
}
