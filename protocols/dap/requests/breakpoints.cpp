/// Points: setBreakpoints.
#include "protocols/dap/requests/request_table.hpp"

#include <lldb/API/SBBreakpoint.h>
#include <lldb/API/SBFileSpec.h>

namespace kdbg::dap {
namespace {

struct Source {
  std::string name, path;
  static constexpr auto fields() {
    return std::tuple{optional("name", &Source::name), optional("path", &Source::path)};
  }
};

struct SourceBreakpoint {
  std::int32_t line = 0;
  std::optional<std::string> condition, hit_condition, log_message;
  static constexpr auto fields() {
    using B = SourceBreakpoint;
    return std::tuple{required("line", &B::line), optional("condition", &B::condition),
                      optional("hitCondition", &B::hit_condition),
                      optional("logMessage", &B::log_message)};
  }
};

struct SetBreakpoints {
  static constexpr std::string_view command = "setBreakpoints";
  struct Args {
    Source source;
    std::vector<SourceBreakpoint> breakpoints;
    static constexpr auto fields() {
      return std::tuple{required("source", &Args::source),
                        optional("breakpoints", &Args::breakpoints)};
    }
  };
  using Body = Json;
  static Result<Body> run(Session& session, const Args& args) {
    lldb::SBTarget& target = session.target;
    for (std::uint32_t i = target.GetNumBreakpoints(); i-- > 0;) {
      lldb::SBBreakpoint one = target.GetBreakpointAtIndex(i);
      if (one.MatchesName(("dap:" + args.source.path).c_str()))
        target.BreakpointDelete(one.GetID());
    }
    Json all = Json::array();
    for (const SourceBreakpoint& wanted : args.breakpoints) {
      lldb::SBBreakpoint made = target.BreakpointCreateByLocation(
          args.source.path.c_str(), static_cast<std::uint32_t>(wanted.line));
      all.push_back(
          {{"id", made.GetID()}, {"verified", made.GetNumLocations() > 0}, {"line", wanted.line}});
    }
    return Json{{"breakpoints", all}};
  }
};

} // namespace

std::span<const RequestRow> breakpoint_requests() {
  static constexpr RequestRow rows[] = {row<SetBreakpoints>()};
  return rows;
}

} // namespace kdbg::dap
