/// Going on elsewhere: gotoTargets, goto.
#include "protocols/dap/requests/request_table.hpp"

#include <lldb/API/SBCompileUnit.h>
#include <lldb/API/SBFileSpec.h>
#include <lldb/API/SBLineEntry.h>
#include <lldb/API/SBSymbolContextList.h>

namespace kdbg::dap {
namespace {

struct GotoTargets {
  static constexpr std::string_view command = "gotoTargets";
  struct Source {
    std::string path;
    static constexpr auto fields() { return std::tuple{required("path", &Source::path)}; }
  };
  struct Args {
    Source source;
    std::uint32_t line = 0;
    static constexpr auto fields() {
      return std::tuple{required("source", &Args::source), required("line", &Args::line)};
    }
  };
  using Body = Json;
  static constexpr bool acts = true;
  static void declare(Json& capabilities) { capabilities["supportsGotoTargetsRequest"] = true; }
  /// Every place where code of that line begins.
  static Result<Body> run(Session& session, const Args& args) {
    TRY(session.stopped());
    Json targets = Json::array();
    const std::string path = session.points->sources().compiled(args.source.path);
    const lldb::SBFileSpec file(path.c_str(), false);
    lldb::SBSymbolContextList units = session.target.FindCompileUnits(file);
    for (std::uint32_t i = 0; i < units.GetSize(); ++i) {
      lldb::SBCompileUnit unit = units.GetContextAtIndex(i).GetCompileUnit();
      std::uint32_t previous = 0;
      for (std::uint32_t k = 0; k < unit.GetNumLineEntries(); ++k) {
        lldb::SBLineEntry entry = unit.GetLineEntryAtIndex(k);
        const std::uint32_t before = std::exchange(previous, entry.GetLine());
        if (entry.GetLine() != args.line || before == args.line || entry.GetFileSpec() != file)
          continue;
        const lldb::addr_t at = entry.GetStartAddress().GetLoadAddress(session.target);
        targets.push_back({{"id", session.places.add(at)},
                           {"label", fmt::format("line {} at {:#x}", args.line, at)},
                           {"line", args.line},
                           {"instructionPointerReference", fmt::format("{:#x}", at)}});
      }
    }
    return Json{{"targets", std::move(targets)}};
  }
};

struct Goto {
  static constexpr std::string_view command = "goto";
  struct Args {
    std::int32_t thread = 0, target = 0;
    static constexpr auto fields() {
      return std::tuple{required("threadId", &Args::thread), required("targetId", &Args::target)};
    }
  };
  using Body = Nothing;
  static Result<Body> run(Session& session, const Args& args) {
    lldb::SBThread thread = TRY(session.thread(args.thread));
    const std::uint64_t* const at = TRY(session.places.find(args.target, "targetId"));
    if (!thread.GetFrameAtIndex(0).SetPC(*at)) {
      return Error{Code::bad_request,
                   "goto: the pc cannot be written: may this client change the guest?"};
    }
    session.went_to = args.thread;
    return Nothing{};
  }
  static void after_reply(Session& session) {
    session.client.tell("stopped", {{"reason", "goto"},
                                    {"threadId", std::exchange(session.went_to, 0)},
                                    {"allThreadsStopped", true}});
  }
};

} // namespace

std::span<const RequestRow> goto_requests() {
  static constexpr RequestRow rows[] = {row<GotoTargets>(), row<Goto>()};
  return rows;
}

} // namespace kdbg::dap
