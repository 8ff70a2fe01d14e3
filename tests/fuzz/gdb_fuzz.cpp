// Throws bytes and stops at the gdb front end. No input may crash it, make it say more than it was
// asked, or leave a point behind. The first bytes choose where stops happen between packets.
#include "protocols/gdb/front_end.hpp"
#include "protocols/gdb/text.hpp"
#include "tests/fakes/fake_target.hpp"

#include <cstdlib>

namespace {

using namespace kdbg;

void require(bool claim) {
  if (!claim) {
    std::abort();
  }
}

/// Counts what a front end sends, and that each frame is whole and fits.
class Reader {
public:
  void operator()(ByteView bytes) {
    while (auto token = decoder_.next(bytes)) {
      require(token->kind == gdb::Token::Kind::packet ? token->checksum_ok
                                                      : token->kind != gdb::Token::Kind::oversize);
    }
  }

private:
  gdb::Decoder decoder_;
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fakes::FakeTarget target;
  Trace trace;
  Arbiter arbiter(target, trace);
  target.publish = [&](const Event& event) { arbiter.publish(event); };
  Session session(target, arbiter, trace);
  gdb::RspFrontEnd front_end(session, Reader(), gdb::dialect(), gdb::KillPolicy::detach);
  session.join(front_end);
  ByteView input = std::as_bytes(std::span(data, size));
  while (!input.empty()) {
    const std::size_t piece = std::min(input.size(), 1 + std::to_integer<std::size_t>(input[0]));
    require(bool(front_end.receive(input.first(piece))));
    input = input.subspan(piece);
    if (target.running() && piece % 2 == 0) {
      target.stop_now(VcpuId{static_cast<std::uint32_t>(piece / 2 % 2)}, Stepped{});
    }
  }
  session.leave();
  require(target.points().empty());
  return 0;
}
