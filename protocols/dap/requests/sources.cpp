/// Files: source, modules, loadedSources, kvmdbg/symbols.
#include "protocols/dap/data/code.hpp"
#include "protocols/dap/data/files.hpp"
#include "protocols/dap/data/values.hpp"
#include "protocols/dap/requests/request_table.hpp"

#include <lldb/API/SBCompileUnit.h>
#include <lldb/API/SBFileSpec.h>
#include <lldb/API/SBModule.h>
#include <lldb/API/SBSection.h>

namespace kdbg::dap {
namespace {

std::string path_of(const lldb::SBFileSpec& file) {
  char path[4096] = "";
  file.GetPath(path, sizeof path);
  return path;
}

struct Source {
  static constexpr std::string_view command = "source";
  struct Asked {
    std::string path;
    std::int32_t reference = 0;
    static constexpr auto fields() {
      return std::tuple{optional("path", &Asked::path),
                        optional("sourceReference", &Asked::reference)};
    }
  };
  struct Args {
    std::optional<Asked> source;
    std::int32_t reference = 0;
    static constexpr auto fields() {
      return std::tuple{optional("source", &Args::source),
                        required("sourceReference", &Args::reference)};
    }
  };
  struct Body {
    std::string content;
    std::optional<std::string> type;
    static constexpr auto fields() {
      return std::tuple{required("content", &Body::content), optional("mimeType", &Body::type)};
    }
  };
  static Result<Body> run(Session& session, const Args& args) {
    const std::int32_t reference =
        args.source && args.source->reference != 0 ? args.source->reference : args.reference;
    if (reference != 0) return Body{TRY(listing(session, reference)), "text/x-asm"};
    if (!args.source || args.source->path.empty()) {
      return Error{Code::bad_request, "source.path is missing, and sourceReference is 0"};
    }
    const auto roots = session.roots().empty() ? source_roots(session.arguments) : session.roots();
    return Body{TRY(read_source(roots, args.source->path)), {}};
  }
};

struct Module {
  std::uint32_t id = 0;
  std::string name;
  std::optional<std::string> path, status, range, version;
  static constexpr auto fields() {
    using M = Module;
    return std::tuple{required("id", &M::id),           required("name", &M::name),
                      optional("path", &M::path),       optional("symbolStatus", &M::status),
                      optional("version", &M::version), optional("addressRange", &M::range)};
  }
};

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

Module describe(Session& session, std::uint32_t index) {
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

struct Modules {
  static constexpr std::string_view command = "modules";
  struct Args {
    std::uint32_t start = 0, count = 0;
    static constexpr auto fields() {
      return std::tuple{optional("startModule", &Args::start),
                        optional("moduleCount", &Args::count)};
    }
  };
  struct Body {
    std::vector<Module> modules;
    std::uint32_t total = 0;
    static constexpr auto fields() {
      return std::tuple{required("modules", &Body::modules),
                        required("totalModules", &Body::total)};
    }
  };
  static void declare(Json& capabilities) { capabilities["supportsModulesRequest"] = true; }
  static Result<Body> run(Session& session, const Args& args) {
    Body body;
    body.total = session.target.GetNumModules();
    for (std::uint32_t i = args.start; i < body.total; ++i) {
      if (args.count > 0 && i - args.start >= args.count) break;
      body.modules.push_back(describe(session, i));
    }
    return body;
  }
};

struct LoadedSources {
  static constexpr std::string_view command = "loadedSources";
  using Args = Nothing;
  using Body = Json;
  static void declare(Json& capabilities) { capabilities["supportsLoadedSourcesRequest"] = true; }
  static Result<Body> run(Session& session, const Args&) {
    std::set<std::string> paths;
    for (std::uint32_t i = 0; i < session.target.GetNumModules(); ++i) {
      lldb::SBModule module = session.target.GetModuleAtIndex(i);
      for (std::uint32_t k = 0; k < module.GetNumCompileUnits(); ++k) {
        const std::string path = path_of(module.GetCompileUnitAtIndex(k).GetFileSpec());
        paths.insert(session.points->sources().here(path));
      }
    }
    Json all = Json::array();
    for (const std::string& path : paths) {
      all.push_back({{"name", path.substr(path.rfind('/') + 1)}, {"path", path}});
    }
    return Json{{"sources", all}};
  }
};

/// Symbols that come later, or lie elsewhere than was thought: arguments as those of `symbols`.
struct Symbols {
  static constexpr std::string_view command = "kvmdbg/symbols";
  using Args = SymbolFile;
  using Body = Nothing;
  static Result<Body> run(Session& session, const Args& args) {
    TRY(session.add_symbols(args));
    return Nothing{};
  }
};

} // namespace

std::span<const RequestRow> source_requests() {
  static constexpr RequestRow rows[] = {row<Source>(), row<Modules>(), row<LoadedSources>(),
                                        row<Symbols>()};
  return rows;
}

} // namespace kdbg::dap
