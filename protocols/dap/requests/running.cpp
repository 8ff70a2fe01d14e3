/// Moving the guest: continue, next, stepIn, stepOut, pause, stepInTargets.
#include "protocols/dap/data/code.hpp"
#include "protocols/dap/requests/request_table.hpp"

namespace kdbg::dap {
namespace {

Status moved(const lldb::SBError& error) {
  if (error.Success()) return Done{};
  return Error{Code::bad_request,
               error.GetCString() ? error.GetCString() : "lldb does not say why"};
}

struct Continue {
  static constexpr std::string_view command = "continue";
  struct Args {
    std::int32_t thread = 0;
    bool single = false;
    static constexpr auto fields() {
      return std::tuple{required("threadId", &Args::thread),
                        optional("singleThread", &Args::single)};
    }
  };
  struct Body {
    bool all = true;
    static constexpr auto fields() {
      return std::tuple{required("allThreadsContinued", &Body::all)};
    }
  };
  static constexpr bool acts = true;
  static void declare(Json& capabilities) {
    capabilities["supportsSingleThreadExecutionRequests"] = true;
  }
  static Result<Body> run(Session& session, const Args& args) {
    lldb::SBThread thread = TRY(session.thread(args.thread));
    TRY(session.drive([&] {
      if (args.single) session.hold_others(thread);
      return moved(session.process.Continue());
    }));
    return Body{!args.single};
  }
};

struct StepArgs {
  std::int32_t thread = 0;
  bool single = false;
  std::string granularity = "statement";
  std::optional<std::int32_t> target; ///< of stepIn
  static constexpr auto fields() {
    return std::tuple{
        required("threadId", &StepArgs::thread), optional("singleThread", &StepArgs::single),
        optional("granularity", &StepArgs::granularity), optional("targetId", &StepArgs::target)};
  }
};

lldb::RunMode others(const StepArgs& args) {
  return args.single ? lldb::eOnlyThisThread : lldb::eAllThreads;
}

enum class Way : std::uint8_t { over, into, out };

/// `callee`: the one function to step into; empty for any.
lldb::SBError
step(lldb::SBThread& thread, Way way, const StepArgs& args, const std::string& callee) {
  lldb::SBError error;
  if (way == Way::out) {
    thread.StepOut(error);
  } else if (args.granularity == "instruction") {
    thread.StepInstruction(way == Way::over, error);
  } else if (way == Way::over) {
    thread.StepOver(others(args), error);
  } else {
    thread.StepInto(callee.empty() ? nullptr : callee.c_str(), LLDB_INVALID_LINE_NUMBER, error,
                    others(args));
  }
  return error;
}

template <Way way>
struct Step {
  static constexpr std::string_view command = way == Way::over   ? "next"
                                              : way == Way::into ? "stepIn"
                                                                 : "stepOut";
  using Args = StepArgs;
  using Body = Nothing;
  static void declare(Json& capabilities) { capabilities["supportsSteppingGranularity"] = true; }
  static Result<Body> run(Session& session, const Args& args) {
    lldb::SBThread thread = TRY(session.thread(args.thread));
    std::string callee;
    if (way == Way::into && args.target) {
      callee = *TRY(session.callees.find(*args.target, "targetId"));
    }
    TRY(session.drive([&] {
      if (args.single) session.hold_others(thread);
      return moved(step(thread, way, args, callee));
    }));
    return Nothing{};
  }
};

struct StepInTargets {
  static constexpr std::string_view command = "stepInTargets";
  struct Args {
    std::int32_t frame = 0;
    static constexpr auto fields() { return std::tuple{required("frameId", &Args::frame)}; }
  };
  using Body = Json;
  static constexpr bool acts = true;
  static void declare(Json& capabilities) { capabilities["supportsStepInTargetsRequest"] = true; }
  static Result<Body> run(Session& session, const Args& args) {
    lldb::SBFrame frame = TRY(session.frame(args.frame));
    Json targets = Json::array();
    if (frame.GetFrameID() != 0) return Json{{"targets", targets}}; // it is in a call already
    for (std::string& name : TRY(callees_of_line(session, frame))) {
      Json target = {{"label", name}};
      target["id"] = session.callees.add(std::move(name));
      targets.push_back(std::move(target));
    }
    return Json{{"targets", std::move(targets)}};
  }
};

struct Pause {
  static constexpr std::string_view command = "pause";
  struct Args {
    std::int32_t thread = 0;
    static constexpr auto fields() { return std::tuple{required("threadId", &Args::thread)}; }
  };
  using Body = Nothing;
  static Result<Body> run(Session& session, const Args&) {
    TRY(session.pause());
    return Nothing{};
  }
};

} // namespace

std::span<const RequestRow> running_requests() {
  static constexpr RequestRow rows[] = {row<Continue>(),        row<Step<Way::over>>(),
                                        row<Step<Way::into>>(), row<Step<Way::out>>(),
                                        row<Pause>(),           row<StepInTargets>()};
  return rows;
}

} // namespace kdbg::dap
