#include "kvm/watch.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace kdbg::kvm {
namespace {

using Method = Placement::Method;

constexpr std::uint64_t small_page = 4096;
constexpr std::size_t most_shown = 16; // bytes of a watch whose whole value a hit carries

/// Does this kind of watch report such an access?
bool reports(PointKind kind, bool read, bool wrote) {
  if (kind == PointKind::write) return wrote;
  if (kind == PointKind::read) return read && !wrote;
  return read || wrote;
}

bool overlaps(std::uint64_t a, std::uint64_t a_length, std::uint64_t b, std::uint64_t b_length) {
  return a_length != 0 && b_length != 0 && a <= b + (b_length - 1) && b <= a + (a_length - 1);
}

/// Of a long watch a hit carries only the bytes that differ, and names the first of them.
void shorten(HitWatch& hit) {
  const std::size_t length = std::min(hit.before.size(), hit.after.size());
  if (length <= most_shown) return;
  std::size_t first = 0, last = length;
  while (first < length && hit.before[first] == hit.after[first]) {
    ++first;
  }
  while (last > first && hit.before[last - 1] == hit.after[last - 1]) {
    --last;
  }
  if (first == last) { // read, or written with what it held
    hit.before.clear();
    hit.after.clear();
    return;
  }
  const auto cut = [&](Bytes& bytes) {
    bytes = Bytes(bytes.begin() + static_cast<std::ptrdiff_t>(first),
                  bytes.begin() + static_cast<std::ptrdiff_t>(last));
  };
  cut(hit.before);
  cut(hit.after);
  hit.address = hit.point.at.value + first;
}

} // namespace

Status Watches::resolve(Watched& watched,
                        const std::function<Result<Translation>(Address)>& translate) {
  watched.pieces.clear();
  watched.missing.clear();
  std::vector<Piece> pieces;
  for (std::uint64_t done = 0; done < watched.point.length;) {
    Address at = watched.point.at;
    at.value += done;
    auto where = translate(at);
    if (!where && where.error().code == Code::kernel) return where.error();
    std::byte probe{};
    if (!where || !memory_->load(where->physical, probe)) { // not yet: nothing to compare
      watched.missing = where ? fmt::format("{:#x} is physical {:#x}, which is not memory",
                                            at.value, where->physical.value)
                              : where.error().what;
      return Done{};
    }
    const std::uint64_t page = where->page_size == 0 ? small_page : where->page_size;
    const std::uint64_t count =
        std::min(watched.point.length - done, page - (where->physical.value & (page - 1)));
    pieces.push_back({where->physical.value, count, at.value});
    done += count;
  }
  watched.pieces = std::move(pieces);
  if (watched.method != Method::protection) watched.value = read(watched);
  return Done{};
}

Bytes Watches::read(const Watched& watched, std::uint64_t at, std::uint64_t length) const {
  Bytes out;
  for (const Piece& piece : watched.pieces) {
    const std::uint64_t from = std::max(at, piece.linear),
                        to = std::min(at + length, piece.linear + piece.length);
    if (from >= to) continue;
    const std::size_t before = out.size();
    out.resize(before + (to - from));
    out.resize(before + memory_->read(GuestPhys{piece.physical + (from - piece.linear)},
                                      std::span(out).subspan(before)));
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
    watched.owner = site.vcpu;
    watched.method = site.placement.method;
    TRY(resolve(watched, [&](Address at) { return translate(site.vcpu, at); }));
    watched_.push_back(std::move(watched));
  }
  return Done{};
}

std::vector<std::uint64_t> Watches::pages() const {
  std::vector<std::uint64_t> out;
  for (const Watched& watched : watched_) {
    if (watched.method != Method::protection) continue;
    for (const Piece& piece : watched.pieces) {
      const std::uint64_t first = piece.physical & ~(small_page - 1);
      for (std::uint64_t page = first; page < piece.physical + piece.length; page += small_page) {
        out.push_back(page);
      }
    }
  }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

bool Watches::unsettled() const {
  return std::any_of(watched_.begin(), watched_.end(), [](const Watched& watched) {
    return watched.method == Method::protection && watched.pieces.empty();
  });
}

std::string Watches::missing(const Point& point) const {
  for (const Watched& watched : watched_) {
    if (watched.point == point) return watched.missing;
  }
  return {};
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

Status Watches::announce(VcpuId id, Cpu& cpu, const std::vector<Access>& accesses, bool open) {
  const std::lock_guard lock(mutex_);
  for (Watched& watched : watched_) {
    if (!watched.compared(open)) continue;
    if (watched.method == Method::protection) watched.value = read(watched);
    watched.touches[index(id)] = TRY(touch_of(watched, cpu, accesses));
  }
  return Done{};
}

/// What the step just done by this vCPU did to one watch.
std::optional<HitWatch> Watches::compare_one(VcpuId id, Watched& watched) {
  Touch touch = std::exchange(watched.touches[index(id)], Touch{});
  if (!touch.read && !touch.wrote) touch.address = watched.point.at.value;
  Bytes now = read(watched);
  const bool changed = now != watched.value;
  const bool another = std::any_of(watched.touches.begin(), watched.touches.end(),
                                   [](const Touch& other) { return other.wrote; });
  if (changed && !touch.wrote && another) return {};
  std::optional<HitWatch> hit;
  if (reports(watched.point.kind, touch.read, touch.wrote || changed)) {
    hit = HitWatch{watched.point, touch.address, watched.value, now};
    shorten(*hit);
  }
  if (changed) watched.value = std::move(now);
  return hit;
}

Result<std::vector<HitWatch>> Watches::compare(VcpuId id, Cpu& cpu, bool open) {
  std::vector<HitWatch> hits;
  const std::lock_guard lock(mutex_);
  for (Watched& watched : watched_) {
    if (!watched.compared(open)) continue;
    if (!watched.pieces.empty()) {
      if (auto hit = compare_one(id, watched)) hits.push_back(*std::move(hit));
      continue;
    }
    const bool sees = id == watched.owner || watched.point.at.space.kind != Space::Kind::current;
    if (watched.method == Method::stepping && sees) {
      TRY(resolve(watched, [&](Address at) { return cpu.translate(at); }));
    }
  }
  return hits;
}

std::optional<HitWatch> Watches::fired(const Point& point, bool exact) {
  const std::lock_guard lock(mutex_);
  for (Watched& watched : watched_) {
    if (watched.point != point) continue;
    Bytes before = std::exchange(watched.value, read(watched));
    if (!exact && point.kind == PointKind::read && before != watched.value) return {};
    HitWatch hit{point, point.at.value, std::move(before), watched.value};
    shorten(hit);
    return hit;
  }
  return HitWatch{point, point.at.value, {}, {}};
}

std::vector<HitWatch> Watches::write(GuestPhys at, ByteView data) {
  std::vector<HitWatch> hits;
  const std::lock_guard lock(mutex_);
  const auto value = [&](const Watched& watched, std::uint64_t from) {
    return watched.point.length <= most_shown ? read(watched) : read(watched, from, data.size());
  };
  std::vector<const Watched*> touched;
  for (const Watched& watched : watched_) {
    if (watched.method != Method::protection) continue;
    Touch touch;
    add_touch(touch, watched, {0, data.size(), false, true}, at.value, data.size());
    if (!touch.wrote) continue;
    touched.push_back(&watched);
    hits.push_back({watched.point, touch.address, value(watched, touch.address), {}});
  }
  memory_->write(at, data);
  for (std::size_t i = 0; i < hits.size(); ++i) {
    hits[i].after = value(*touched[i], hits[i].address);
  }
  return hits;
}

} // namespace kdbg::kvm
