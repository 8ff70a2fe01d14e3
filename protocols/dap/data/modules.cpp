#include "protocols/dap/data/modules.hpp"

#include "protocols/dap/data/values.hpp"

#include <lldb/API/SBModule.h>
#include <lldb/API/SBSection.h>

#include <algorithm>

namespace kdbg::dap {
namespace {

/// Of what is loaded: [lowest, highest) address.
std::optional<std::string> range_of(Session& session, lldb::SBModule& module) {
  std::uint64_t low = UINT64_MAX, high = 0;
  for (std::size_t i = 0; i < module.GetNumSections(); ++i) {
    lldb::SBSection section = module.GetSectionAtIndex(i);
    const std::uint64_t start = section.GetLoadAddress(session.target);
    if (start == LLDB_INVALID_ADDRESS || section.GetByteSize() == 0) continue;
    low = std::min(low, start);
    high = std::max(high, start + section.GetByteSize());
  }
  if (high == 0) return std::nullopt;
  return fmt::format("{:#x}-{:#x}", low, high);
}

} // namespace

Module describe_module(Session& session, std::uint32_t index) {
  lldb::SBModule module = session.target.GetModuleAtIndex(index);
  Module made;
  made.id = index;
  made.name = text_of(module.GetFileSpec().GetFilename());
  made.path = path_of(module.GetFileSpec());
  made.status = module.GetNumCompileUnits() > 0 ? "symbols and lines"
                : module.GetNumSymbols() > 0    ? "symbols"
                                                : "no symbols";
  const std::string id = text_of(module.GetUUIDString());
  if (!id.empty()) made.version = id;
  made.range = range_of(session, module);
  return made;
}

std::string path_of(const lldb::SBFileSpec& file) {
  char path[4096] = "";
  file.GetPath(path, sizeof path);
  return path;
}

void tell_module(Session& session, const lldb::SBModule& module, std::string_view reason) {
  for (std::uint32_t i = 0; i < session.target.GetNumModules(); ++i) {
    if (session.target.GetModuleAtIndex(i) != module) continue;
    const Json body = {{"reason", reason}, {"module", write(describe_module(session, i))}};
    return session.client.tell("module", body);
  }
}

} // namespace kdbg::dap
