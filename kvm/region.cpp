#include "kvm/region.hpp"

#include <algorithm>

namespace kdbg::kvm {
namespace {

constexpr std::uint64_t page = 4096;
constexpr unsigned most_pieces = 4096; ///< looked at in each direction
/// A direct mapped window of LoongArch repeats after as many bytes as it has physical addresses.
constexpr std::uint64_t window = std::uint64_t{1} << 48;

/// Inclusive, since the last one ends where numbers do.
struct Span {
  std::uint64_t first = 0, last = 0;
};

Span block(std::uint64_t at, std::uint64_t size) {
  return {at & ~(size - 1), at | (size - 1)};
}

/// The part of the range (memory, or a gap between two) that holds a physical address.
struct Backing {
  Span span;
  bool memory = false;
};

Backing backing_of(std::span<const MemoryRange> ranges, std::uint64_t at) {
  Backing out{{0, ~std::uint64_t{0}}};
  for (const MemoryRange& range : ranges) {
    const std::uint64_t last = range.start + (range.size - 1);
    if (at >= range.start && at <= last) return {{range.start, last}, true};
    if (last < at) out.span.first = std::max(out.span.first, last + 1);
    if (range.start > at) out.span.last = std::min(out.span.last, range.start - 1);
  }
  return out;
}

class Finder {
public:
  Finder(const PageTables& tables, const GuestMemory& memory, Space space)
      : tables_(tables), memory_(memory), space_(space), ranges_(memory.extent()) {}

  /// What one entry of the page tables says.
  Region piece(std::uint64_t at) const {
    if (space_.kind == Space::Kind::physical) return physical_piece(at);
    auto where = tables_.translate({at, space_});
    if (!where) {
      const Span hole = block(at, std::max(tables_.hole({at, space_}), page));
      return {hole.first, hole.last};
    }
    Span entry{0, ~std::uint64_t{0}}; // without paging: one to one
    if (where->page_size != 0) {
      entry = block(at, where->page_size);
    } else if (where->physical.value != at) {
      entry = block(at, window);
    }
    Region out = physical_piece(where->physical.value);
    const std::uint64_t before = where->physical.value - out.start;
    const std::uint64_t after = out.last - where->physical.value;
    out.start = at - std::min(at - entry.first, before);
    out.last = at + std::min(entry.last - at, after);
    out.writable = where->writable;
    out.user = where->user && where->page_size != 0;
    out.executable = where->executable;
    return out;
  }

private:
  Region physical_piece(std::uint64_t at) const {
    const Backing backing = backing_of(ranges_, at);
    const bool rom = backing.memory && memory_.rom({at});
    Region out{backing.span.first, backing.span.last, true, true, false, true};
    out.name = !backing.memory ? "MMIO" : rom ? "ROM" : "RAM";
    return out;
  }

  const PageTables& tables_;
  const GuestMemory& memory_;
  Space space_;
  std::vector<MemoryRange> ranges_;
};

bool alike(const Region& a, const Region& b) {
  return a.mapped == b.mapped && a.writable == b.writable && a.user == b.user &&
         a.executable == b.executable && a.name == b.name;
}

} // namespace

Region find_region(const PageTables& tables, const GuestMemory& memory, Address at) {
  const Finder finder(tables, memory, at.space);
  Region out = finder.piece(at.value);
  for (unsigned i = 0; i < most_pieces && out.last != ~std::uint64_t{0}; ++i) {
    const Region next = finder.piece(out.last + 1);
    if (!alike(out, next)) break;
    out.last = next.last;
  }
  for (unsigned i = 0; i < most_pieces && out.start != 0; ++i) {
    const Region previous = finder.piece(out.start - 1);
    if (!alike(out, previous)) break;
    out.start = previous.start;
  }
  return out;
}

} // namespace kdbg::kvm
