// A session's symbols: what is read, where it lies, where its sources are.
#include "protocols/dap/data/build_id.hpp"
#include "protocols/dap/data/files.hpp"
#include "protocols/dap/data/modules.hpp"
#include "protocols/dap/session/session.hpp"
#include "protocols/dap/session/stop_text.hpp"

#include <lldb/API/SBFileSpec.h>

#include <algorithm>
#include <chrono>

namespace kdbg::dap {
namespace {

constexpr const char* progress_id = "symbols";

/// As one word of LLDB's command line.
std::string quoted(const std::string& text) {
  std::string word = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\' || c == '`') word += '\\';
    word += c;
  }
  return word + "\"";
}

/// No other kernel is known to move itself.
bool is_linux(lldb::SBModule module) {
  return module.FindSymbol("linux_banner").IsValid();
}

} // namespace

void Session::map_sources() {
  const SourceMap map(arguments.source_map);
  std::string words;
  for (const auto& [from, to] : map.rows()) {
    words += " " + quoted(from) + " " + quoted(to);
  }
  if (!words.empty()) debugger.HandleCommand(("settings set target.source-map" + words).c_str());
}

void Session::begin_symbols() {
  std::vector<SymbolFile> files = arguments.symbols;
  if (!arguments.program.empty()) {
    files.insert(files.begin(), SymbolFile{arguments.program, {}, {}});
  }
  if (!files.empty()) read_symbols(std::move(files));
}

Status Session::add_symbols(const SymbolFile& file) {
  TRY(check_root(roots(), file.path));
  const auto known = symbol_files_.find(file.path);
  if (known != symbol_files_.end()) {
    add_symbols(LoadedSymbols{file, known->second.module});
  } else if (symbols_ && symbols_->left() > 0) {
    return Error{Code::bad_request, "symbols are being read: wait for progressEnd"};
  } else {
    read_symbols({file});
  }
  return Done{};
}

void Session::read_symbols(std::vector<SymbolFile> files) {
  const std::size_t count = files.size();
  const bool shown = client.traits.progress;
  symbols_ = std::make_unique<SymbolLoader>(
      std::move(files),
      [this, count, shown](std::size_t index, const SymbolFile& file) {
        inbox.put(Finished{[=, this, path = file.path] {
          if (!shown) return;
          Json body = {
              {"progressId", progress_id}, {"message", path}, {"percentage", 100 * index / count}};
          if (index == 0) body["title"] = "Reading symbols";
          client.tell(index == 0 ? "progressStart" : "progressUpdate", body);
        }});
      },
      [this](LoadedSymbols loaded) {
        inbox.put(Finished{[this, loaded = std::move(loaded)] { on_symbols(loaded); }});
      });
  // most are small: the client's next requests then find them there
  constexpr std::chrono::milliseconds soon{800};
  symbols_->finish_within(soon);
  while (auto work = inbox.take_finished()) {
    work->rest();
  }
}

void Session::on_symbols(const LoadedSymbols& loaded) {
  symbols_->one_done();
  add_symbols(loaded);
  if (symbols_->left() > 0) return;
  if (client.traits.progress) client.tell("progressEnd", {{"progressId", progress_id}});
  if (!std::exchange(waits_for_symbols_, false)) return;
  if (const Status gone_on = go_on(); !gone_on) {
    client.print("important", gone_on.error().what + "\n");
  }
}

/// What cannot be read is said, and debugging goes on without it.
void Session::add_symbols(const LoadedSymbols& loaded) {
  if (phase == Phase::over) return;
  const std::string& path = loaded.file.path;
  if (!loaded.module.IsValid()) {
    return client.print("important",
                        fmt::format("no symbols from {}: no file that lldb can read\n", path));
  }
  const bool is_kernel = is_linux(loaded.module);
  if (is_kernel && !kernel_placed_ && !running_) look_for_kernel();
  const auto slide = slide_of(loaded, is_kernel ? kernel_slide_ : 0);
  if (!slide) return client.print("important", fmt::format("{}: {}\n", path, slide.error().what));
  const bool slides = is_kernel && !loaded.file.slide && !loaded.file.address;
  const bool known = symbol_files_.contains(path);
  symbol_files_[path] = {loaded.module, slides};
  place_symbols(loaded.module, *slide);
  tell_module(*this, loaded.module, known ? "changed" : "new");
  points->look_again();
  if (phase != Phase::debugging || running_) return;
  check_builds();
  if (client.traits.invalidated) client.tell("invalidated", {{"areas", {"stacks", "variables"}}});
}

void Session::place_symbols(lldb::SBModule module, std::uint64_t slide) {
  for (lldb::SBTarget one : {apart_, target}) {
    one.AddModule(module);
    one.SetModuleLoadAddress(module, slide);
  }
}

/// A kernel moves itself once (KASLR); what cannot be told yet leaves the symbols where they are.
bool Session::look_for_kernel() {
  const std::uint64_t slide = control->kernel_slide();
  if (slide == 0) return false;
  kernel_placed_ = true;
  return std::exchange(kernel_slide_, slide) != slide;
}

/// At a stop: its symbols go with a kernel that has moved, as after a reset.
void Session::follow_kernel(const Json& stop) {
  if (stop.is_object() && is_entry(stop)) kernel_placed_ = false;
  const bool slides = std::any_of(symbol_files_.begin(), symbol_files_.end(),
                                  [](const auto& entry) { return entry.second.slides; });
  if (slides && !kernel_placed_ && look_for_kernel()) {
    for (const auto& entry : symbol_files_) {
      if (!entry.second.slides) continue;
      place_symbols(entry.second.module, kernel_slide_);
      tell_module(*this, entry.second.module, "changed");
    }
    points->look_again();
  }
  check_builds();
}

/// A file whose build id is not the one in the guest is said. One that cannot be compared yet
/// waits.
void Session::check_builds() {
  for (auto& [path, file] : symbol_files_) {
    if (file.compared) continue;
    const auto same = same_build(*this, file.module);
    file.compared = same.has_value();
    if (!same || *same) continue;
    client.print("important",
                 fmt::format("{}: the guest runs another build than this file's: its symbols "
                             "may be wrong\n",
                             path));
  }
}

} // namespace kdbg::dap
