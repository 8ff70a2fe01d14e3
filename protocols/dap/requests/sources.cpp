/// Files: source, modules, loadedSources, kvmdbg/symbols.
#include "protocols/dap/data/code.hpp"
#include "protocols/dap/data/files.hpp"
#include "protocols/dap/data/modules.hpp"
#include "protocols/dap/data/values.hpp"
#include "protocols/dap/requests/request_table.hpp"

#include <lldb/API/SBCompileUnit.h>
#include <lldb/API/SBFileSpec.h>
#include <lldb/API/SBModule.h>

namespace kdbg::dap {
namespace {

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
      body.modules.push_back(describe_module(session, i));
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
