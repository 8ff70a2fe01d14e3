#include "kvm/memory.hpp"

#include <algorithm>
#include <cstring>

namespace kdbg::kvm {

std::span<std::byte> Ram::span_at(std::uint64_t at, std::size_t length) const {
  for (const Range& range : ranges_) {
    if (at >= range.start && at - range.start < range.bytes.size()) {
      auto rest = range.bytes.subspan(at - range.start);
      return rest.first(std::min(length, rest.size()));
    }
  }
  return {};
}

bool Ram::rom(GuestPhys at) const {
  return std::any_of(ranges_.begin(), ranges_.end(), [&](const Range& range) {
    return range.rom && at.value >= range.start && at.value - range.start < range.bytes.size();
  });
}

std::size_t Ram::read(GuestPhys at, std::span<std::byte> out) const {
  std::size_t done = 0;
  while (done < out.size()) {
    const auto from = span_at(at.value + done, out.size() - done);
    if (from.empty()) break;
    std::memcpy(out.data() + done, from.data(), from.size());
    done += from.size();
  }
  return done;
}

std::size_t Ram::write(GuestPhys at, ByteView data) {
  std::size_t done = 0;
  while (done < data.size()) {
    const auto to = span_at(at.value + done, data.size() - done);
    if (to.empty()) break;
    std::memcpy(to.data(), data.data() + done, to.size());
    // It may be code: where instruction caches do not follow stores (not x86), they are told.
    auto* first = reinterpret_cast<char*>(to.data());
    __builtin___clear_cache(first, first + to.size());
    done += to.size();
  }
  return done;
}

std::vector<MemoryRange> Ram::extent() const {
  std::vector<MemoryRange> out;
  for (const Range& range : ranges_) {
    out.push_back({range.start, range.bytes.size()});
  }
  return out;
}

} // namespace kdbg::kvm
