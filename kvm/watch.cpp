#include "kvm/watch.hpp"

#include <algorithm>

namespace kdbg::kvm {
namespace {

constexpr std::uint64_t small_page = 4096;

/// Does this kind of watch report such an access?
bool reports(PointKind kind, bool read, bool wrote) {
  if (kind == PointKind::write) return wrote;
  if (kind == PointKind::read) return read && !wrote;
  return read || wrote;
}

bool overlaps(std::uint64_t a, std::uint64_t a_length, std::uint64_t b, std::uint64_t b_length) {
  return a_length != 0 && b_length != 0 && a <= b + (b_length - 1) && b <= a + (a_length - 1);
}

} // namespace

Status Watches::resolve(Watched& watched,
                        const std::function<Result<Translation>(Address)>& translate) {
  watched.pieces.clear();
  for (std::uint64_t done = 0; done < watched.point.length;) {
    Address at = watched.point.at;
    at.value += done;
    auto where = translate(at);
    if (!where && where.error().code == Code::kernel) return where.error();
    if (!where) { // not mapped yet: nothing to compare
      watched.pieces.clear();
      return Done{};
    }
    const std::uint64_t page = where->page_size == 0 ? small_page : where->page_size;
    const std::uint64_t count =
        std::min(watched.point.length - done, page - (where->physical.value & (page - 1)));
    watched.pieces.push_back({where->physical.value, count, at.value});
    done += count;
  }
  watched.value = read(watched);
  return Done{};
}

Bytes Watches::read(const Watched& watched) const {
  Bytes out;
  for (const Piece& piece : watched.pieces) {
    const std::size_t before = out.size();
    out.resize(before + piece.length);
    out.resize(before + memory_->read(GuestPhys{piece.physical}, std::span(out).subspan(before)));
  }
  return out;
}

Status Watches::begin(const Placed& placed,
                      GuestMemory& memory,
                      const Translator& translate,
                      std::size_t vcpus) {
  memory_ = &memory;
  watched_.clear();
  for (const Site& site : placed.sites) {
    if (!is_watch(site.point.kind)) continue;
    Watched watched;
    watched.touches.resize(vcpus);
    watched.point = site.point;
    watched.stepped = site.placement.method == Placement::Method::stepping;
    TRY(resolve(watched, [&](Address at) { return translate(site.vcpu, at); }));
    watched_.push_back(std::move(watched));
  }
  return Done{};
}

/// `count` bytes at `physical`, all in one page, against every piece of the watch.
void Watches::add_touch(Touch& touch,
                        const Watched& watched,
                        const Access& access,
                        std::uint64_t physical,
                        std::uint64_t count) {
  for (const Piece& piece : watched.pieces) {
    if (!overlaps(physical, count, piece.physical, piece.length)) continue;
    const std::uint64_t first =
        piece.linear + (std::max(physical, piece.physical) - piece.physical);
    touch.address = touch.read || touch.wrote ? std::min(touch.address, first) : first;
    touch.read |= access.reads;
    touch.wrote |= access.writes;
  }
}

Result<Watches::Touch>
Watches::touch_of(const Watched& watched, Cpu& cpu, const std::vector<Access>& accesses) const {
  Touch out{false, false, watched.point.at.value};
  for (const Access& access : accesses) {
    for (std::uint64_t done = 0; done < access.length;) { // page by page
      auto where = cpu.translate(Address{access.address + done});
      if (!where && where.error().code == Code::kernel) return where.error();
      if (!where) break; // it will fault
      const std::uint64_t physical = where->physical.value;
      const std::uint64_t page = where->page_size == 0 ? small_page : where->page_size;
      const std::uint64_t count = std::min(access.length - done, page - (physical & (page - 1)));
      add_touch(out, watched, access, physical, count);
      done += count;
    }
  }
  return out;
}

Status Watches::announce(VcpuId id, Cpu& cpu, const std::vector<Access>& accesses) {
  const std::lock_guard lock(mutex_);
  for (Watched& watched : watched_) {
    if (watched.stepped) watched.touches[index(id)] = TRY(touch_of(watched, cpu, accesses));
  }
  return Done{};
}

Result<std::vector<HitWatch>> Watches::compare(VcpuId id, Cpu& cpu) {
  std::vector<HitWatch> hits;
  const std::lock_guard lock(mutex_);
  for (Watched& watched : watched_) {
    if (!watched.stepped) continue;
    if (watched.pieces.empty()) {
      TRY(resolve(watched, [&](Address at) { return cpu.translate(at); }));
      continue;
    }
    Touch touch = std::exchange(watched.touches[index(id)], Touch{});
    if (!touch.read && !touch.wrote) touch.address = watched.point.at.value;
    Bytes now = read(watched);
    const bool changed = now != watched.value;
    const bool another = std::any_of(watched.touches.begin(), watched.touches.end(),
                                     [](const Touch& other) { return other.wrote; });
    if (changed && !touch.wrote && another) continue;
    if (reports(watched.point.kind, touch.read, touch.wrote || changed)) {
      hits.push_back({watched.point, touch.address, watched.value, now});
    }
    if (changed) watched.value = std::move(now);
  }
  return hits;
}

std::optional<HitWatch> Watches::fired(const Point& point) {
  const std::lock_guard lock(mutex_);
  for (Watched& watched : watched_) {
    if (watched.point != point) continue;
    Bytes before = std::exchange(watched.value, read(watched));
    if (point.kind == PointKind::read && before != watched.value) return {};
    return HitWatch{point, point.at.value, std::move(before), watched.value};
  }
  return HitWatch{point, point.at.value, {}, {}};
}

} // namespace kdbg::kvm
