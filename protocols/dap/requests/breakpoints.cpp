/// Points: setBreakpoints, setFunctionBreakpoints, setInstructionBreakpoints, breakpointLocations.
#include "protocols/dap/requests/breakpoint_args.hpp"
#include "protocols/dap/requests/request_table.hpp"

#include <lldb/API/SBCompileUnit.h>
#include <lldb/API/SBFileSpec.h>
#include <lldb/API/SBLineEntry.h>
#include <lldb/API/SBSymbolContextList.h>

namespace kdbg::dap {
namespace {

struct SourceRef {
  std::string path;
  static constexpr auto fields() { return std::tuple{optional("path", &SourceRef::path)}; }
};

/// What all kinds of breakpoints may say.
struct Extras {
  std::optional<std::string> condition, hits, log, mode;
};

template <class T>
constexpr auto extra_fields() {
  return std::tuple{optional("condition", &T::condition), optional("hitCondition", &T::hits),
                    optional("logMessage", &T::log), optional("mode", &T::mode)};
}

Result<PointWish> wish_of(Session& session, PointKind kind, const Extras& extras) {
  PointWish wish;
  wish.kind = kind;
  wish.condition = extras.condition.value_or("");
  wish.hits = extras.hits.value_or("");
  wish.log = extras.log.value_or("");
  wish.mode = extras.mode.value_or(session.arguments.breakpoint_mode);
  TRY(check_hits(wish.hits));
  if (!wish.mode.empty() && wish.mode != "software" && wish.mode != "hardware") {
    return Error{Code::bad_request,
                 fmt::format("mode must be software or hardware, not {}", wish.mode)};
  }
  return wish;
}

template <class T>
void declare_modes(Json& capabilities) {
  capabilities["supportsConditionalBreakpoints"] = true;
  capabilities["supportsHitConditionalBreakpoints"] = true;
  capabilities["supportsLogPoints"] = true;
  const Json kinds = {"source", "instruction"};
  capabilities["breakpointModes"] = {
      {{"mode", "software"}, {"label", "Software"}, {"appliesTo", kinds}},
      {{"mode", "hardware"}, {"label", "Hardware (a debug register)"}, {"appliesTo", kinds}}};
}

struct SetBreakpoints {
  static constexpr std::string_view command = "setBreakpoints";
  struct Breakpoint : Extras {
    std::uint32_t line = 0, column = 0;
    static constexpr auto fields() {
      return std::tuple_cat(
          std::tuple{required("line", &Breakpoint::line), optional("column", &Breakpoint::column)},
          extra_fields<Extras>());
    }
  };
  struct Args {
    SourceRef source;
    std::vector<Breakpoint> breakpoints;
    static constexpr auto fields() {
      return std::tuple{required("source", &Args::source),
                        optional("breakpoints", &Args::breakpoints)};
    }
  };
  using Body = Json;
  static constexpr bool acts = true;
  static void declare(Json& capabilities) { declare_modes<void>(capabilities); }
  static Result<Body> run(Session& session, const Args& args) {
    if (args.source.path.empty()) {
      return Error{Code::bad_request, "source.path is missing: a source is told by its path"};
    }
    const std::uint32_t first = session.client.traits.lines_start_at_1 ? 0 : 1;
    std::vector<PointWish> wishes;
    for (const Breakpoint& one : args.breakpoints) {
      PointWish wish = TRY(wish_of(session, PointKind::source, one));
      wish.place = args.source.path;
      wish.line = one.line + first;
      wish.column = one.column;
      wishes.push_back(std::move(wish));
    }
    return Json{
        {"breakpoints", session.points->replace(PointKind::source, args.source.path, wishes)}};
  }
};

struct SetFunctionBreakpoints {
  static constexpr std::string_view command = "setFunctionBreakpoints";
  struct Breakpoint : Extras {
    std::string name;
    static constexpr auto fields() {
      return std::tuple_cat(std::tuple{required("name", &Breakpoint::name)},
                            extra_fields<Extras>());
    }
  };
  using Args = BreakpointList<Breakpoint>;
  using Body = Json;
  static constexpr bool acts = true;
  static void declare(Json& capabilities) { capabilities["supportsFunctionBreakpoints"] = true; }
  static Result<Body> run(Session& session, const Args& args) {
    std::vector<PointWish> wishes;
    for (const Breakpoint& one : args.breakpoints) {
      wishes.push_back(TRY(wish_of(session, PointKind::function, one)));
      wishes.back().place = one.name;
    }
    return Json{{"breakpoints", session.points->replace(PointKind::function, "", wishes)}};
  }
};

struct SetInstructionBreakpoints {
  static constexpr std::string_view command = "setInstructionBreakpoints";
  struct Breakpoint : Extras {
    std::string reference;
    std::int64_t offset = 0;
    static constexpr auto fields() {
      return std::tuple_cat(std::tuple{required("instructionReference", &Breakpoint::reference),
                                       optional("offset", &Breakpoint::offset)},
                            extra_fields<Extras>());
    }
  };
  using Args = BreakpointList<Breakpoint>;
  using Body = Json;
  static constexpr bool acts = true;
  static void declare(Json& capabilities) { capabilities["supportsInstructionBreakpoints"] = true; }
  static Result<std::uint64_t> place_of(const Breakpoint& one) {
    const Address base = TRY(parse_reference(one.reference, "instructionReference"));
    if (base.space.kind != Space::Kind::current) {
      return Error{Code::unsupported,
                   fmt::format("instructionReference {}: breakpoints are at virtual addresses; "
                               "kvmdbg/insert has the others",
                               one.reference)};
    }
    return TRY(moved(base, one.offset, "offset")).value;
  }
  static Result<Body> run(Session& session, const Args& args) {
    std::vector<PointWish> wishes;
    for (const Breakpoint& one : args.breakpoints) {
      PointWish wish = TRY(wish_of(session, PointKind::instruction, one));
      wish.address = TRY(place_of(one));
      wishes.push_back(std::move(wish));
    }
    return Json{{"breakpoints", session.points->replace(PointKind::instruction, "", wishes)}};
  }
};

struct BreakpointLocations {
  static constexpr std::string_view command = "breakpointLocations";
  struct Args {
    SourceRef source;
    std::uint32_t line = 0;
    std::optional<std::uint32_t> end;
    static constexpr auto fields() {
      return std::tuple{required("source", &Args::source), required("line", &Args::line),
                        optional("endLine", &Args::end)};
    }
  };
  using Body = Json;
  static void declare(Json& capabilities) {
    capabilities["supportsBreakpointLocationsRequest"] = true;
  }
  static Result<Body> run(Session& session, const Args& args) {
    const std::uint32_t last = args.end.value_or(args.line);
    std::set<std::pair<std::uint32_t, std::uint32_t>> found;
    const std::string path = session.points->sources().compiled(args.source.path);
    const lldb::SBFileSpec file(path.c_str(), false);
    lldb::SBSymbolContextList units = session.points->places().FindCompileUnits(file);
    for (std::uint32_t i = 0; i < units.GetSize(); ++i) {
      lldb::SBCompileUnit unit = units.GetContextAtIndex(i).GetCompileUnit();
      for (std::uint32_t k = 0; k < unit.GetNumLineEntries(); ++k) {
        lldb::SBLineEntry entry = unit.GetLineEntryAtIndex(k);
        if (entry.GetFileSpec() != file || entry.GetLine() < args.line || entry.GetLine() > last) {
          continue;
        }
        found.emplace(entry.GetLine(), entry.GetColumn());
      }
    }
    Json all = Json::array();
    for (const auto& [line, column] : found) {
      Json one = {{"line", line}};
      if (column > 0) one["column"] = column;
      all.push_back(std::move(one));
    }
    return Json{{"breakpoints", std::move(all)}};
  }
};

} // namespace

std::span<const RequestRow> breakpoint_requests() {
  static constexpr RequestRow rows[] = {row<SetBreakpoints>(), row<SetFunctionBreakpoints>(),
                                        row<SetInstructionBreakpoints>(),
                                        row<BreakpointLocations>()};
  return rows;
}

} // namespace kdbg::dap
