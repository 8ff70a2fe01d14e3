/// CPU exceptions as stops: setExceptionBreakpoints, exceptionInfo.
#include "protocols/dap/message/exceptions.hpp"

#include "protocols/dap/requests/request_table.hpp"

namespace kdbg::dap {
namespace {

struct SetExceptionBreakpoints {
  static constexpr std::string_view command = "setExceptionBreakpoints";
  struct Option {
    std::string filter;
    std::optional<std::string> condition;
    static constexpr auto fields() {
      return std::tuple{required("filterId", &Option::filter),
                        optional("condition", &Option::condition)};
    }
  };
  struct Args {
    std::vector<std::string> filters;
    std::vector<Option> options;
    static constexpr auto fields() {
      return std::tuple{required("filters", &Args::filters),
                        optional("filterOptions", &Args::options)};
    }
  };
  using Body = Json;
  static constexpr bool acts = true;
  static void declare(Json& capabilities) {
    Json filters = Json::array();
    for (const CpuException& one : cpu_exceptions) {
      Json filter = {{"filter", one.name},
                     {"label", fmt::format("{} {}", one.name, one.meaning)},
                     {"default", false},
                     {"supportsCondition", one.has_error}};
      if (one.has_error) filter["conditionDescription"] = "only this error code: 2 or 0x2";
      filters.push_back(std::move(filter));
    }
    capabilities["exceptionBreakpointFilters"] = std::move(filters);
    capabilities["supportsExceptionFilterOptions"] = true;
  }

  /// One filter, in the response's order.
  static Json set(Session& session, const std::string& name, const std::string& condition) {
    const CpuException* const known = find_exception(name);
    if (!known) return {{"verified", false}, {"message", fmt::format("no filter {}", name)}};
    Json arguments = {{"set", {known->vector}}};
    if (!condition.empty()) {
      const auto code = parse_address(condition, "condition");
      if (!code) return {{"verified", false}, {"message", code.error().what}};
      arguments["error"] = *code;
    }
    const auto done = session.control->ask("exceptions", arguments);
    if (!done) return {{"verified", false}, {"message", done.error().what}};
    return {{"verified", true}};
  }

  /// Replaces the filters that were set before.
  static Result<Body> run(Session& session, const Args& args) {
    for (const auto& [vector, code] : session.exceptions) {
      Json arguments = {{"clear", {vector}}};
      if (code) arguments["error"] = *code;
      ignore(session.control->ask("exceptions", arguments));
    }
    session.exceptions.clear();
    Json bodies = Json::array();
    const auto add = [&](const std::string& name, const std::string& condition) {
      bodies.push_back(set(session, name, condition));
      if (!bodies.back()["verified"].get<bool>()) return;
      const auto code =
          condition.empty() ? std::nullopt : std::optional(*parse_address(condition, ""));
      session.exceptions.emplace_back(find_exception(name)->vector, code);
    };
    for (const std::string& name : args.filters) {
      add(name, "");
    }
    for (const Option& one : args.options) {
      add(one.filter, one.condition.value_or(""));
    }
    return Json{{"breakpoints", std::move(bodies)}};
  }
};

struct ExceptionInfo {
  static constexpr std::string_view command = "exceptionInfo";
  struct Args {
    std::int32_t thread = 0;
    static constexpr auto fields() { return std::tuple{required("threadId", &Args::thread)}; }
  };
  using Body = Json;
  static void declare(Json& capabilities) { capabilities["supportsExceptionInfoRequest"] = true; }
  static std::string register_text(lldb::SBFrame& frame, const char* name) {
    lldb::SBValue value = frame.FindRegister(name);
    return value.IsValid() ? fmt::format("{:#x}", value.GetValueAsUnsigned()) : "unknown";
  }
  static Result<Body> run(Session& session, const Args& args) {
    lldb::SBThread thread = TRY(session.thread(args.thread));
    const std::string why = TRY(session.why_stopped(args.thread));
    const auto raised = parse_raised(why);
    if (!raised) {
      return Error{Code::bad_request,
                   fmt::format("threadId {} has not stopped for an exception: {}", args.thread,
                               why.empty() ? "it was held" : why)};
    }
    lldb::SBFrame frame = thread.GetFrameAtIndex(0);
    Json details = {{"typeName", raised->name}, {"message", why}};
    std::string text = why;
    if (raised->error) {
      text += fmt::format("; error code {:#x}: {}", *raised->error,
                          describe_error(raised->name, *raised->error));
    }
    if (raised->name == "#PF") text += "; cr2 " + register_text(frame, "cr2");
    text += "; rip " + register_text(frame, "rip");
    details["fullTypeName"] = raised->name;
    return Json{{"exceptionId", raised->name},
                {"description", std::move(text)},
                {"breakMode", "always"},
                {"details", std::move(details)}};
  }
};

} // namespace

std::span<const RequestRow> exception_requests() {
  static constexpr RequestRow rows[] = {row<SetExceptionBreakpoints>(), row<ExceptionInfo>()};
  return rows;
}

} // namespace kdbg::dap
