#include "protocols/gdb/jkvm/notify.hpp"

#include "protocols/gdb/jkvm/to_json.hpp"

#include <fmt/format.h>

namespace kdbg::gdb::jkvm {
namespace {

/// The name in `events`, and what is said beside it; no name for what is not told.
struct Told {
  std::string_view name;
  Json fields;
};

void put_by(Json& json, const std::optional<ClientId>& by, const Session& session) {
  json["by"] = to_json(by);
  if (by) json["byName"] = session.describe(*by);
}

Told tell(const Event& event, const Session& session) {
  return std::visit(
      Match{
          [&](const Stopped& stopped) {
            Told told{"stopped",
                      {{"epoch", stopped.stop.epoch}, {"vcpus", to_json(stopped.stop.vcpus)}}};
            put_by(told.fields, stopped.by, session);
            return told;
          },
          [&](const Resumed& resumed) {
            Told told{"resumed", {{"epoch", resumed.epoch}}};
            put_by(told.fields, resumed.by, session);
            return told;
          },
          [&](const MemoryChanged& changed) {
            Told told{"memory-changed", Json::object()};
            put_address(told.fields, changed.at);
            told.fields["length"] = changed.length;
            put_by(told.fields, changed.by, session);
            return told;
          },
          [](const Gone& gone) {
            return Told{"ended", {{"status", gone.status}}};
          },
          [&](const PointsChanged& changed) {
            Told told{"points-changed", Json::object()};
            put_by(told.fields, changed.by, session);
            return told;
          },
          [&](const ControlTaken& taken) {
            Told told{"control-taken", Json::object()};
            put_by(told.fields, taken.by, session);
            return told;
          },
          [](const ClientJoined& joined) {
            return Told{"client-joined", {{"client", to_json(joined.id)}, {"name", joined.name}}};
          },
          [](const ClientLeft& left) {
            return Told{"client-left", {{"client", to_json(left.id)}}};
          },
          [](const ConsoleOutput& output) {
            return Told{"console", {{"text", output.text}}};
          },
          [](const LogLine& line) {
            Told told{"log", to_json(line.point)};
            told.fields["vcpu"] = index(line.vcpu);
            told.fields["text"] = line.text;
            told.fields["dropped"] = line.dropped;
            return told;
          },
      },
      event);
}

Subscription bit(std::string_view name) {
  for (std::size_t i = 0; i < events.size(); ++i) {
    if (events[i].name == name) return Subscription{1} << i;
  }
  return 0;
}

} // namespace

Result<Subscription> parse_subscription(const Json& names) {
  Subscription wanted = 0;
  for (const Json& name : names) {
    const Subscription one = name.is_string() ? bit(name.get_ref<const std::string&>()) : 0;
    if (one == 0) {
      return Error{Code::bad_request,
                   fmt::format("no event {}; jKvm.help says which there are", render(name))};
    }
    wanted |= one;
  }
  return wanted;
}

Json subscription(Subscription wanted) {
  Json names = Json::array();
  for (std::size_t i = 0; i < events.size(); ++i) {
    if ((wanted >> i & 1) != 0) names.push_back(events[i].name);
  }
  return names;
}

bool wants_log(Subscription wanted) {
  return (wanted & bit("log")) != 0;
}

std::optional<std::string>
notification(Subscription wanted, const Event& event, const Session& session) {
  if (wanted == 0) return {};
  Told told = tell(event, session);
  if ((bit(told.name) & wanted) == 0) return {};
  Json json = {{"event", told.name}};
  json.update(told.fields);
  return "Kvm:" + render(json);
}

} // namespace kdbg::gdb::jkvm
