#pragma once
/// Files with symbols: read and indexed by a thread of their own, so that a large kernel blocks
/// nobody; the main thread then puts them where they lie in the guest.
#include "protocols/dap/session/arguments.hpp"

#include <lldb/API/SBModule.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace kdbg::dap {

/// A file that LLDB has read; `module` is invalid when it could not.
struct LoadedSymbols {
  SymbolFile file;
  lldb::SBModule module;
};

/// Nobody waits for it: what LLDB still reads when this goes is of no account, and is not told.
class SymbolLoader {
public:
  /// `progress` with each file that begins, `done` with each that ends: from the loader's thread.
  SymbolLoader(std::vector<SymbolFile> files,
               const std::function<void(std::size_t index, const SymbolFile&)>& progress,
               const std::function<void(LoadedSymbols)>& done);
  ~SymbolLoader();
  SymbolLoader(const SymbolLoader&) = delete;
  SymbolLoader& operator=(const SymbolLoader&) = delete;
  /// Whether all have been read, now or within this time.
  bool finish_within(std::chrono::milliseconds time) const;
  /// How many files are still to come.
  std::size_t left() const { return left_; }
  void one_done() { --left_; }

private:
  struct Work;
  std::size_t left_;
  std::shared_ptr<Work> work_;
};

/// What is added to the module's own addresses; bad_request for an address or a slide that is none.
Result<std::uint64_t> slide_of(const LoadedSymbols& loaded, std::uint64_t found);

} // namespace kdbg::dap
