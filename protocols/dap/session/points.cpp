#include "protocols/dap/session/points.hpp"

#include "protocols/dap/data/expressions.hpp"
#include "protocols/dap/session/point_text.hpp"

#include <lldb/API/SBAddress.h>
#include <lldb/API/SBBlock.h>
#include <lldb/API/SBBreakpointLocation.h>
#include <lldb/API/SBFileSpec.h>
#include <lldb/API/SBLineEntry.h>

namespace kdbg::dap {
namespace {

std::string hex(std::uint64_t value) {
  return fmt::format("{:#x}", value);
}

std::string_view engine_access(std::string_view access) {
  // x86 has no watch of reads alone
  return access == "write" ? "write" : "access";
}

} // namespace

Json Points::replace(PointKind kind,
                     const std::string& place,
                     const std::vector<PointWish>& wishes) {
  std::map<std::int32_t, Point> before;
  for (auto one = points_.begin(); one != points_.end();) {
    const PointWish& wish = one->second.wish;
    const bool gone = wish.kind == kind && (kind != PointKind::source || wish.place == place);
    if (gone) {
      before.insert(points_.extract(one++));
    } else {
      ++one;
    }
  }
  std::vector<std::int32_t> order;
  std::vector<PointWish> made;
  for (const PointWish& wish : wishes) {
    const auto same = std::find_if(before.begin(), before.end(),
                                   [&](const auto& old) { return old.second.wish == wish; });
    if (same != before.end()) {
      order.push_back(same->first);
      points_.insert(before.extract(same));
    } else {
      order.push_back(0);
    }
  }
  for (auto& [id, old] : before) {
    disarm(old); // ahead of the new ones: debug registers are few
  }
  Json bodies = Json::array();
  for (std::size_t i = 0; i < wishes.size(); ++i) {
    if (order[i] == 0) {
      Point fresh = make(wishes[i]);
      order[i] = fresh.id;
      points_.emplace(fresh.id, std::move(fresh));
    }
    bodies.push_back(describe(points_.at(order[i])));
  }
  return bodies;
}

Points::Point Points::make(const PointWish& wish) {
  Point point;
  point.id = ++last_id_;
  point.wish = wish;
  if (wish.kind == PointKind::source) {
    lldb::SBFileSpecList any;
    point.where = places_.BreakpointCreateByLocation(lldb::SBFileSpec(wish.place.c_str(), false),
                                                     wish.line, wish.column, 0, any);
  } else if (wish.kind == PointKind::function) {
    point.where = places_.BreakpointCreateByName(wish.place.c_str());
  }
  arm(point);
  return point;
}

std::set<Points::Site> Points::sites_of(Point& point) {
  const PointWish& wish = point.wish;
  if (wish.kind == PointKind::data) {
    return {{std::string(engine_access(wish.access)), wish.address, wish.length}};
  }
  const std::string kind = wish.mode == "hardware" ? "hardware" : "software";
  if (wish.kind == PointKind::instruction) return {{kind, wish.address, 1}};
  std::set<Site> sites;
  for (std::uint32_t i = 0; i < point.where.GetNumLocations(); ++i) {
    const lldb::addr_t at = point.where.GetLocationAtIndex(i).GetLoadAddress();
    if (at != LLDB_INVALID_ADDRESS) sites.insert({kind, at, 1});
  }
  return sites;
}

void Points::arm(Point& point) {
  point.problem.clear();
  const std::set<Site> wanted = sites_of(point);
  if (wanted.empty()) point.problem = "no code for it in the symbols that are here";
  if (!wanted.empty()) point.ours = needs_symbols(point.wish, wanted.begin()->address);
  for (const Site& site : wanted) {
    if (const Status done = insert(point, site); done) {
      point.sites.insert(site);
    } else {
      point.problem = done.error().what;
    }
  }
}

Status Points::insert(Point& point, const Site& site) {
  const PointWish& wish = point.wish;
  for (const auto& [id, other] : points_) {
    if (id == point.id || !other.sites.contains(site)) continue;
    const bool plain = [](const PointWish& one) {
      return one.condition.empty() && one.hits.empty() && one.log.empty();
    }(wish);
    if (plain) break;
    return Error{Code::bad_request,
                 fmt::format("breakpoint {} is at {:#x} already", id, site.address)};
  }
  Json arguments = {{"kind", site.kind}, {"address", hex(site.address)}};
  if (wish.kind == PointKind::data) arguments["length"] = site.length;
  if (!point.ours) {
    if (!wish.condition.empty()) arguments["condition"] = wish.condition;
    if (!wish.hits.empty()) arguments["hits"] = wish.hits;
    if (!wish.log.empty()) arguments["log"] = wish.log;
  }
  TRY(control_.ask("insert", arguments));
  return Done{};
}

void Points::disarm(Point& point) {
  for (const Site& site : std::exchange(point.sites, {})) {
    const bool shared = std::any_of(points_.begin(), points_.end(), [&](const auto& other) {
      return other.first != point.id && other.second.sites.contains(site);
    });
    if (shared) continue;
    Json arguments = {{"kind", site.kind}, {"address", hex(site.address)}};
    if (point.wish.kind == PointKind::data) arguments["length"] = site.length;
    ignore(control_.ask("remove", arguments)); // it is gone when the server is
  }
  if (point.where.IsValid()) places_.BreakpointDelete(point.where.GetID());
}

/// Whether a name in it is a variable there: only LLDB knows its value.
bool Points::needs_symbols(const PointWish& wish, std::uint64_t address) {
  lldb::SBAddress place = places_.ResolveLoadAddress(address);
  lldb::SBBlock block = place.GetBlock();
  const auto is_variable = [&](const std::string& name) {
    if (places_.FindFirstGlobalVariable(name.c_str()).IsValid()) return true;
    for (lldb::SBBlock one = block; one.IsValid(); one = one.GetParent()) {
      if (one.GetVariables(places_, true, true, true).GetFirstValueByName(name.c_str()).IsValid()) {
        return true;
      }
    }
    return false;
  };
  for (const std::string& name : bare_names(wish.condition, wish.log)) {
    if (is_variable(name)) return true;
  }
  return false;
}

void Points::look_again() {
  for (auto& [id, point] : points_) {
    if (!point.where.IsValid()) continue;
    const std::set<Site> wanted = sites_of(point);
    if (wanted == point.sites) continue;
    for (const Site& site : point.sites) {
      ignore(control_.ask("remove", {{"kind", site.kind}, {"address", hex(site.address)}}));
    }
    point.sites.clear();
    arm(point);
    client_.tell("breakpoint", {{"reason", "changed"}, {"breakpoint", describe(point)}});
  }
}

Json Points::describe(const Point& point) {
  Json body = {{"id", point.id}, {"verified", !point.sites.empty()}};
  if (!point.problem.empty()) {
    body["message"] = point.problem;
    if (point.sites.empty()) body["reason"] = point.where.IsValid() ? "pending" : "failed";
  }
  describe_place(point, body);
  return body;
}

void Points::describe_place(const Point& point, Json& body) {
  if (point.sites.empty() || point.wish.kind == PointKind::data) {
    if (point.wish.line > 0) body["line"] = point.wish.line;
    return;
  }
  const std::uint64_t address = point.sites.begin()->address;
  body["instructionReference"] = hex(address);
  lldb::SBLineEntry line = places_.ResolveLoadAddress(address).GetLineEntry();
  if (!line.IsValid()) return;
  body["line"] = line.GetLine();
  if (line.GetColumn() > 0) body["column"] = line.GetColumn();
  char path[4096] = "";
  line.GetFileSpec().GetPath(path, sizeof path);
  const char* const name = line.GetFileSpec().GetFilename();
  body["source"] = {{"name", name ? name : ""}, {"path", sources_.here(path)}};
}

// --- hits

Points::Hit Points::at(std::uint64_t address) const {
  Hit hit;
  for (const auto& [id, point] : points_) {
    const bool here = std::any_of(point.sites.begin(), point.sites.end(), [&](const Site& site) {
      return address >= site.address && address - site.address < site.length;
    });
    if (!here) continue;
    if (hit.ids.empty()) hit.kind = point.wish.kind;
    hit.ids.push_back(id);
  }
  return hit;
}

std::int32_t Points::id_of(std::string_view kind, std::uint64_t address) const {
  for (const auto& [id, point] : points_) {
    const bool here = std::any_of(point.sites.begin(), point.sites.end(), [&](const Site& site) {
      return site.kind == kind && site.address == address;
    });
    if (here) return id;
  }
  return 0;
}

bool Points::let_pass(lldb::SBThread thread) {
  lldb::SBFrame frame = thread.GetFrameAtIndex(0);
  const Hit hit = at(frame.GetPC());
  if (hit.ids.empty()) return false;
  bool pass = true;
  for (const std::int32_t id : hit.ids) {
    pass = passes(points_.at(id), frame) && pass;
  }
  return pass;
}

/// A condition that cannot be evaluated stops: better once too often than never.
bool Points::passes(Point& point, const lldb::SBFrame& frame) {
  if (!point.ours) return false;
  if (!point.wish.condition.empty()) {
    auto value = evaluate_in(frame, point.wish.condition);
    if (!value) {
      client_.print("important", fmt::format("condition \"{}\": {}\n", point.wish.condition,
                                             value.error().what));
      return false;
    }
    if (value->GetValueAsUnsigned() == 0) return true;
  }
  ++point.held;
  auto hits = parse_hits(point.wish.hits.empty() ? ">0" : point.wish.hits);
  if (hits && !hits->holds(point.held)) return true;
  if (point.wish.log.empty()) return false;
  client_.print("console", log_line(point.wish.log, frame) + "\n");
  return true;
}

void Points::on_log(const Json& event) {
  if (const auto dropped = event.value("dropped", 0U); dropped > 0) {
    client_.print("console", fmt::format("({} lines of this log point left out)\n", dropped));
  }
  if (const std::string text = event.value("text", ""); !text.empty()) {
    client_.print("console", text + "\n");
  }
}

} // namespace kdbg::dap
