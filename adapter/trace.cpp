#include "adapter/trace.hpp"

#include <fmt/format.h>

namespace kdbg {
namespace {

std::uint32_t number(ClientId id) {
  return static_cast<std::uint32_t>(id);
}

std::string by_whom(const std::optional<ClientId>& by) {
  return by ? fmt::format(" by={}", number(*by)) : std::string();
}

/// One word, unlike describe(): 0x1000, phys:0x1000, root:0x5000:0x1000.
std::string word(const Address& at) {
  switch (at.space.kind) {
  case Space::Kind::current:
    break;
  case Space::Kind::root:
    return fmt::format("root:{:#x}:{:#x}", at.space.root, at.value);
  case Space::Kind::physical:
    return fmt::format("phys:{:#x}", at.value);
  }
  return fmt::format("{:#x}", at.value);
}

/// As the reason to stop that it would be.
std::string word(const Point& point) {
  auto text = fmt::format("{}={}", name(point.kind), word(point.at));
  if (is_watch(point.kind)) text += fmt::format("+{}@{:#x}", point.length, point.at.value);
  return is_catch(point.kind) ? text + "<0x0" : text;
}

std::string word(const StopReason& reason) {
  return std::visit(
      Match{
          [](const AtEntry&) { return std::string("entry"); },
          [](const Stepped&) { return std::string("step"); },
          [](const HitPoint& hit) {
            return fmt::format("{}={}", name(hit.point.kind), word(hit.point.at));
          },
          [](const HitWatch& hit) {
            return fmt::format("{}={}+{}@{:#x}", name(hit.point.kind), word(hit.point.at),
                               hit.point.length, hit.address);
          },
          [](const Caught& caught) {
            return fmt::format("{}={:#x}{}{:#x}", name(caught.point.kind), caught.number,
                               caught.write ? "<" : ">", caught.value);
          },
          [](const Interrupted& interrupt) { return "interrupt" + by_whom(interrupt.by); },
          [](const Crashed& crash) { return fmt::format("crash=\"{}\"", crash.what); },
          [](const Halted&) { return std::string("halt"); },
          [](const PoweredOff& off) { return fmt::format("poweroff={}", off.status); },
      },
      reason);
}

std::string words(const Stop& stop) {
  std::string text = fmt::format("stopped epoch={}", stop.epoch);
  for (const VcpuStop& vcpu : stop.vcpus) {
    text += fmt::format(" vcpu={}", index(vcpu.vcpu));
    for (const StopReason& reason : vcpu.reasons) {
      text += ' ' + word(reason);
    }
  }
  return text;
}

std::string words(const Event& event) {
  return std::visit(
      Match{
          [](const Stopped& stopped) { return words(stopped.stop); },
          [](const Resumed& resumed) {
            return fmt::format("resumed epoch={}{}", resumed.epoch, by_whom(resumed.by));
          },
          [](const MemoryChanged& changed) {
            return fmt::format("memory at={} length={}{}", word(changed.at), changed.length,
                               by_whom(changed.by));
          },
          [](const Gone& gone) { return fmt::format("gone status={}", gone.status); },
          [](const PointsChanged& changed) { return "points" + by_whom(changed.by); },
          [](const ControlTaken& taken) { return "control" + by_whom(taken.by); },
          [](const ClientJoined& joined) {
            return fmt::format("joined client={}", number(joined.id));
          },
          [](const ClientLeft& left) { return fmt::format("left client={}", number(left.id)); },
          [](const ConsoleOutput& output) {
            return fmt::format("console length={}", output.text.size());
          },
          [](const LogLine& line) {
            return fmt::format("log client={} vcpu={} {} dropped={} {}", number(line.client),
                               index(line.vcpu), word(line.point), line.dropped, line.text);
          },
      },
      event);
}

} // namespace

void Trace::bytes(ClientId client, std::string_view direction, ByteView data) {
  if (!on()) return;
  // Client 1 goes unnumbered: most sessions have one client.
  std::string text = number(client) > 1 ? fmt::format("{}", number(client)) : std::string();
  text += direction;
  text += ' ';
  for (std::byte b : data) {
    const char c = static_cast<char>(b);
    if (c >= ' ' && c <= '~' && c != '\\') {
      text += c;
    } else {
      text += fmt::format("\\x{:02x}", std::to_integer<unsigned>(b));
    }
  }
  line(text);
}

void Trace::event(const Event& event) {
  if (on()) line(" ! " + words(event));
}

void Trace::note(std::string_view text) {
  if (on()) line(fmt::format(" . {}", text));
}

void Trace::line(std::string_view text) {
  const std::lock_guard lock(mutex_);
  std::fwrite(text.data(), 1, text.size(), file_.get());
  std::fputc('\n', file_.get());
  std::fflush(file_.get()); // the line before a crash is the one that matters
}

} // namespace kdbg
