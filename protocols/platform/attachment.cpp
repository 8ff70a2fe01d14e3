#include "protocols/platform/attachment.hpp"

#include "protocols/gdb/codec.hpp"
#include "protocols/gdb/text.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace kdbg::platform {
namespace {

constexpr std::string_view ok = "$OK#9a";

bool begins_frame(char c) {
  return c == '$' || c == '%';
}

/// O and hex digits: text for the client's user, and no answer.
bool is_console(std::string_view frame) {
  return frame.starts_with("$O") && frame != ok;
}

bool tells_of_end(std::string_view frame) {
  return frame.starts_with("$W") || frame.starts_with("$X");
}

} // namespace

std::optional<std::string> FrameCutter::next(ByteView& input) {
  constexpr std::size_t checksum = 2; // digits
  std::string_view text = gdb::text_of(input);
  if (frame_.empty()) {
    const auto begin = std::find_if(text.begin(), text.end(), begins_frame);
    text.remove_prefix(static_cast<std::size_t>(begin - text.begin()));
  }
  const std::size_t had = frame_.size();
  std::size_t hash = frame_.find('#');
  if (hash == std::string::npos) {
    const std::size_t here = text.find('#');
    if (here != std::string_view::npos) hash = had + here;
  }
  const std::size_t whole = hash == std::string::npos ? hash : hash + 1 + checksum;
  const std::size_t taken = std::min(text.size(), whole == std::string::npos ? whole : whole - had);
  frame_ += text.substr(0, taken);
  text.remove_prefix(taken);
  input = gdb::bytes_of(text);
  if (frame_.size() != whole) return {};
  return std::exchange(frame_, {});
}

Result<std::unique_ptr<Attachment>> Attachment::open(Machines& machines,
                                                     const MachineRecord& machine,
                                                     std::span<const std::string> agreed,
                                                     Listener listener) {
  std::unique_ptr<Attachment> made(new Attachment(machine, std::move(listener)));
  made->link_ = TRY(machines.connect(
      machine.pid, {[self = made.get()](ByteView bytes) { self->on_bytes(bytes); },
                    [self = made.get()](std::string_view why) { self->on_lost(why); }}));
  // the '+' takes the answer, the last that is acknowledged
  std::string hello = gdb::frame("QStartNoAckMode") + "+";
  for (const std::string& packet : agreed) {
    hello += gdb::frame(packet);
  }
  made->repeats_ = 1 + agreed.size();
  made->link_->send(hello + gdb::frame("?"));
  return made;
}

Attachment::Doing Attachment::doing(std::string_view packet) {
  if (packet == "k") return Doing::nothing; // it is not answered
  if (packet == "D" || packet.starts_with("D;") || packet.starts_with("D1")) {
    return Doing::detaching;
  }
  if (packet.starts_with("vKill;")) return Doing::killing;
  constexpr std::string_view movers[] = {"vCont;", "vRun;", "c", "C", "s", "S", "bc", "bs"};
  const bool moves = std::any_of(std::begin(movers), std::end(movers),
                                 [&](auto prefix) { return packet.starts_with(prefix); });
  return moves ? Doing::moving : Doing::asking;
}

void Attachment::forward(std::string_view packet) {
  doing_ = doing(packet);
  link_->send(gdb::frame(packet));
}

void Attachment::interrupt() {
  link_->send("\x03");
}

void Attachment::on_bytes(ByteView bytes) {
  const std::weak_ptr<char> here = here_;
  while (auto frame = cutter_.next(bytes)) {
    const bool first = attaching();
    if (!for_client(*frame)) continue;
    const auto told = first ? listener_.answered : listener_.heard; // it may outlive us
    told(std::move(*frame));
    if (here.expired()) return;
  }
}

void Attachment::on_lost(std::string_view why) {
  const auto told = listener_.lost;
  told(why);
}

/// Also learns from it what became of the machine.
bool Attachment::for_client(std::string_view frame) {
  if (frame.starts_with('%')) return !attaching(); // nobody asked for it, so nothing is answered
  if (repeats_ > 0) {
    --repeats_;
    return false;
  }
  if (is_console(frame)) return doing_ != Doing::attaching;
  const bool error = frame.starts_with("$E"), end = tells_of_end(frame);
  switch (std::exchange(doing_, Doing::nothing)) {
  case Doing::attaching:
    over_ = error || end;
    process_ = !over_;
    break;
  case Doing::moving:
    if (!error) process_ = !end;
    break;
  case Doing::detaching:
    over_ = frame == ok;
    break;
  case Doing::killing:
    if (!error) process_ = false;
    break;
  case Doing::asking:
  case Doing::nothing:
    break;
  }
  return true;
}

} // namespace kdbg::platform
