#include "protocols/dap/session/symbols.hpp"

#include "protocols/dap/message/address.hpp"

#include <lldb/API/SBFileSpec.h>
#include <lldb/API/SBModuleSpec.h>
#include <lldb/API/SBSection.h>
#include <lldb/API/SBSymbolContextList.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace kdbg::dap {
namespace {

/// Symbols and the index of the debug information are read at the first search.
lldb::SBModule read_module(const std::string& path) {
  lldb::SBModuleSpec wanted;
  wanted.SetFileSpec(lldb::SBFileSpec(path.c_str(), false));
  lldb::SBModule module(wanted);
  if (module.IsValid()) module.FindFunctions("kvmdbg reads the index");
  return module;
}

Result<std::uint64_t> number(const Json& json, std::string_view name) {
  if (json.is_number_unsigned()) return json.get<std::uint64_t>();
  if (json.is_string()) return parse_address(json.get_ref<const std::string&>(), name);
  return wrong_type(name, "a number or \"0x…\"", json);
}

std::uint64_t lowest_address(lldb::SBModule module) {
  std::uint64_t lowest = UINT64_MAX;
  for (std::size_t i = 0; i < module.GetNumSections(); ++i) {
    lldb::SBSection section = module.GetSectionAtIndex(i);
    if (section.GetByteSize() > 0) lowest = std::min(lowest, section.GetFileAddress());
  }
  return lowest;
}

} // namespace

/// What the thread has in common with whoever began it.
struct SymbolLoader::Work {
  std::mutex mutex;
  std::condition_variable changed;
  bool wanted = true, done = false;

  /// Whether somebody still listens; nobody goes while `told` runs.
  bool tell(const std::function<void()>& told) {
    const std::lock_guard lock(mutex);
    if (wanted) told();
    return wanted;
  }
};

SymbolLoader::SymbolLoader(std::vector<SymbolFile> files,
                           const std::function<void(std::size_t, const SymbolFile&)>& progress,
                           const std::function<void(LoadedSymbols)>& done)
    : left_(files.size()), work_(std::make_shared<Work>()) {
  std::thread([work = work_, files = std::move(files), progress, done] {
    for (std::size_t i = 0; i < files.size(); ++i) {
      if (!work->tell([&] { progress(i, files[i]); })) return;
      const LoadedSymbols loaded{files[i], read_module(files[i].path)};
      if (!work->tell([&] { done(loaded); })) return;
    }
    const std::lock_guard lock(work->mutex);
    work->done = true;
    work->changed.notify_all();
  }).detach();
}

SymbolLoader::~SymbolLoader() {
  const std::lock_guard lock(work_->mutex);
  work_->wanted = false;
}

bool SymbolLoader::finish_within(std::chrono::milliseconds time) const {
  std::unique_lock lock(work_->mutex);
  return work_->changed.wait_for(lock, time, [this] { return work_->done; });
}

Result<std::uint64_t> slide_of(const LoadedSymbols& loaded, std::uint64_t found) {
  if (loaded.file.slide) return number(*loaded.file.slide, "symbols.slide");
  if (!loaded.file.address) return found;
  const std::uint64_t address = TRY(number(*loaded.file.address, "symbols.address"));
  return address - lowest_address(loaded.module);
}

} // namespace kdbg::dap
