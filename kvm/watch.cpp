#include "kvm/watch.hpp"

#include <algorithm>

namespace kdbg::kvm {
namespace {

bool overlaps(const Access& access, const Point& point) {
  return access.length != 0 && access.address <= point.at.value + (point.length - 1) &&
         point.at.value <= access.address + (access.length - 1);
}

std::uint64_t first_touched(const std::vector<Access>& touched, const Point& point) {
  for (const Access& access : touched) {
    if (overlaps(access, point)) return std::max(access.address, point.at.value);
  }
  return point.at.value;
}

/// Does this kind of watch report such an access?
bool reports(PointKind kind, bool read, bool wrote) {
  if (kind == PointKind::write) return wrote;
  if (kind == PointKind::read) return read && !wrote;
  return read || wrote;
}

}  // namespace

void Watches::resolve(Watched& watched, const std::function<Result<Translation>(Address)>& translate) {
  watched.pieces.clear();
  for (std::uint64_t done = 0; done < watched.point.length;) {
    Address at = watched.point.at;
    at.value += done;
    auto where = translate(at);
    if (!where) return;  // not mapped yet: no value, and nothing to compare
    const std::uint64_t page = where->page_size == 0 ? 4096 : where->page_size;
    const std::uint64_t count = std::min(watched.point.length - done, page - (where->physical.value & (page - 1)));
    watched.pieces.emplace_back(where->physical, count);
    done += count;
  }
}

void Watches::resolve_for(Watched& watched, Cpu& cpu) {
  auto root = cpu.root();
  if (!root || watched.root == *root) return;
  const bool first = watched.pieces.empty();
  resolve(watched, [&](Address at) { return cpu.translate(at); });
  watched.root = *root;
  if (first) watched.value = read(watched);
}

Bytes Watches::read(const Watched& watched) const {
  Bytes out;
  for (const auto& [at, count] : watched.pieces) {
    const std::size_t before = out.size();
    out.resize(before + count);
    out.resize(before + memory_->read(at, std::span(out).subspan(before)));
  }
  return out;
}

void Watches::begin(const Placed& placed, GuestMemory& memory, const Translator& translate) {
  memory_ = &memory;
  watched_.clear();
  for (const Site& site : placed.sites) {
    if (!is_watch(site.point.kind)) continue;
    Watched watched{site.point, site.placement.method == Placement::Method::stepping, {}, {}, {}};
    resolve(watched, [&](Address at) { return translate(site.vcpu, at); });
    watched.value = read(watched);
    watched_.push_back(std::move(watched));
  }
}

std::vector<HitWatch> Watches::compare(Cpu& cpu, const std::vector<Access>& touched) {
  std::vector<HitWatch> hits;
  const std::lock_guard lock(mutex_);
  for (Watched& watched : watched_) {
    if (!watched.stepped) continue;
    resolve_for(watched, cpu);
    Bytes now = read(watched);
    const bool changed = now != watched.value;
    bool read_it = false, wrote_it = changed;
    for (const Access& access : touched) {
      if (!overlaps(access, watched.point)) continue;
      read_it |= access.reads;
      wrote_it |= access.writes;
    }
    if (reports(watched.point.kind, read_it, wrote_it)) {
      hits.push_back({watched.point, first_touched(touched, watched.point), watched.value, now});
    }
    if (changed) watched.value = std::move(now);
  }
  return hits;
}

std::optional<HitWatch> Watches::fired(Cpu& cpu, const Point& point) {
  const std::lock_guard lock(mutex_);
  for (Watched& watched : watched_) {
    if (watched.point != point) continue;
    resolve_for(watched, cpu);
    Bytes before = std::exchange(watched.value, read(watched));
    if (point.kind == PointKind::read && before != watched.value) return {};
    return HitWatch{point, point.at.value, std::move(before), watched.value};
  }
  return HitWatch{point, point.at.value, {}, {}};
}

}  // namespace kdbg::kvm
