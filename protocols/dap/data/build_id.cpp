#include "protocols/dap/data/build_id.hpp"

#include "protocols/dap/data/memory.hpp"

#include <lldb/API/SBData.h>
#include <lldb/API/SBSection.h>

#include <algorithm>
#include <array>

namespace kdbg::dap {
namespace {

/// Name size 4, any description size, type 3, "GNU".
bool is_build_id(ByteView note) {
  constexpr std::array<unsigned char, 4> four{4, 0, 0, 0}, type{3, 0, 0, 0}, name{'G', 'N', 'U', 0};
  const auto at = [&](std::size_t offset, const std::array<unsigned char, 4>& wanted) {
    return std::equal(wanted.begin(), wanted.end(),
                      note.begin() + static_cast<std::ptrdiff_t>(offset),
                      [](unsigned char a, std::byte b) { return std::byte{a} == b; });
  };
  return note.size() >= 16 && at(0, four) && at(8, type) && at(12, name);
}

Bytes contents(lldb::SBSection section) {
  lldb::SBData data = section.GetSectionData();
  Bytes bytes(data.GetByteSize());
  lldb::SBError error;
  bytes.resize(data.ReadRawData(error, 0, bytes.data(), bytes.size()));
  return bytes;
}

} // namespace

std::optional<bool> same_build(Session& session, lldb::SBModule module) {
  constexpr std::size_t most = 256; // bytes; a build id has 16 to 32, and 16 stand before it
  for (const char* const name : {".note.gnu.build-id", ".notes"}) {
    lldb::SBSection section = module.FindSection(name);
    if (!section.IsValid() || section.GetByteSize() > 4096) continue;
    Bytes ours = contents(section);
    if (!is_build_id(ours)) continue;
    ours.resize(std::min(ours.size(), most));
    const Address at{section.GetLoadAddress(session.target)};
    auto theirs = read_memory(session, at, ours.size());
    if (!theirs || !is_build_id(*theirs)) return std::nullopt;
    const std::size_t size = 16 + std::to_integer<std::size_t>(ours[4]); // of the first note alone
    return theirs->size() >= size && ours.size() >= size &&
           std::equal(ours.begin(), ours.begin() + static_cast<std::ptrdiff_t>(size),
                      theirs->begin());
  }
  return true; // it says of no build
}

} // namespace kdbg::dap
