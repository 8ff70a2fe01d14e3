#include "protocols/gdb/jkvm/to_json.hpp"

#include <chrono>

namespace kdbg::gdb::jkvm {
namespace {

std::string_view name_of(Space::Kind kind) {
  switch (kind) {
  case Space::Kind::current:
    break;
  case Space::Kind::root:
    return "root";
  case Space::Kind::physical:
    return "physical";
  }
  return "current";
}

} // namespace

Json to_json(ClientId id) {
  return static_cast<std::uint32_t>(id);
}

Json to_json(Role role) {
  return role == Role::observe ? "observe" : "control";
}

Json to_json(const std::optional<ClientId>& id) {
  return id ? to_json(*id) : Json(nullptr);
}

Json to_json(const std::vector<ClientId>& ids) {
  Json json = Json::array();
  for (const ClientId id : ids) {
    json.push_back(to_json(id));
  }
  return json;
}

void put_address(Json& json, const Address& at) {
  json["address"] = hex(at.value);
  json["space"] = name_of(at.space.kind);
  if (at.space.kind == Space::Kind::root) json["root"] = hex(at.space.root);
}

Json to_json(const Capabilities& can) {
  return {{"hardwareSlots", can.hardware_slots},     {"singleStep", can.single_step},
          {"softwarePoints", can.software_points},   {"hardwareWatch", can.hardware_watch},
          {"protectedWatch", can.protected_watch},   {"steppedWatch", can.stepped_watch},
          {"blockInterrupts", can.block_interrupts}, {"notes", can.notes}};
}

Json to_json(const Point& point) {
  Json json = {{"point", describe(point)}, {"kind", name(point.kind)}};
  put_address(json, point.at);
  json["length"] = point.length;
  if (is_catch(point.kind)) {
    json["reads"] = point.reads;
    json["writes"] = point.writes;
    if (point.value) json["value"] = hex(*point.value);
  }
  return json;
}

Json to_json(const PointState& state) {
  Json json = to_json(state.point);
  json["strategy"] = state.strategy;
  json["hits"] = state.hits;
  json["owners"] = to_json(state.owners);
  json["wishes"] = Json::array();
  for (const WishState& wish : state.wishes) {
    json["wishes"].push_back(Json{{"client", to_json(wish.client)},
                                  {"rule", wish.rule},
                                  {"held", wish.held},
                                  {"done", wish.done}});
  }
  return json;
}

Json to_json(const ClientInfo& client, ClientId self) {
  return {{"id", to_json(client.id)}, {"name", client.name},       {"points", client.points},
          {"drives", client.drives},  {"self", client.id == self}, {"role", to_json(client.role)}};
}

Json to_json(const VcpuState& state, std::string thread) {
  Json json = {{"vcpu", index(state.vcpu)},
               {"thread", std::move(thread)},
               {"state", state.running ? "running" : "stopped"}};
  if (state.running) return json;
  json["mode"] = state.mode;
  if (state.pc) json["pc"] = hex(*state.pc);
  json["why"] = state.why;
  return json;
}

Json to_json(const Translation& translation, std::uint64_t address) {
  return {{"address", hex(address)},
          {"physical", hex(translation.physical.value)},
          {"pageSize", translation.page_size},
          {"root", hex(translation.root)},
          {"writable", translation.writable},
          {"user", translation.user},
          {"executable", translation.executable},
          {"accessed", translation.accessed},
          {"dirty", translation.dirty},
          {"levels", translation.levels}};
}

Json to_json(const Descriptor& entry) {
  return {{"number", entry.number},
          {"kind", entry.kind},
          {"base", hex(entry.base)},
          {"limit", hex(entry.limit)},
          {"selector", hex(entry.selector)},
          {"privilege", entry.privilege},
          {"stack", entry.stack},
          {"present", entry.present}};
}

Json to_json(const std::vector<VcpuStop>& vcpus) {
  Json list = Json::array();
  for (const VcpuStop& vcpu : vcpus) {
    const StopReason& first = vcpu.reasons.front();
    Json json = {{"vcpu", index(vcpu.vcpu)}, {"kind", kind_of(first)}};
    if (const auto* hit = std::get_if<HitPoint>(&first)) json["address"] = hex(hit->point.at.value);
    if (const auto* watch = std::get_if<HitWatch>(&first)) json["address"] = hex(watch->address);
    Json reasons = Json::array();
    for (const StopReason& reason : vcpu.reasons) {
      reasons.push_back(describe(reason));
    }
    json["reasons"] = std::move(reasons);
    list.push_back(std::move(json));
  }
  return list;
}

Json to_json(const PastStop& past) {
  const std::chrono::duration<double> since = past.time.time_since_epoch();
  return {{"time", since.count()},
          {"epoch", past.stop.epoch},
          {"resumedBy", to_json(past.resumed_by)},
          {"vcpus", to_json(past.stop.vcpus)}};
}

} // namespace kdbg::gdb::jkvm
