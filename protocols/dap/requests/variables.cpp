/// Values: scopes, variables, evaluate.
#include "protocols/dap/requests/request_table.hpp"

#include <lldb/API/SBExpressionOptions.h>
#include <lldb/API/SBValueList.h>

namespace kdbg::dap {
namespace {

std::string text_of(const char* text) {
  return text ? text : "";
}

std::string shown(lldb::SBValue& value) {
  std::string text = text_of(value.GetValue());
  const std::string summary = text_of(value.GetSummary());
  if (!summary.empty()) text += (text.empty() ? "" : " ") + summary;
  if (text.empty()) text = text_of(value.GetDisplayTypeName());
  return text;
}

std::int32_t children_of(Session& session, lldb::SBValue& value) {
  constexpr std::uint32_t most = 1000;
  const std::uint32_t count = value.GetNumChildren(most);
  if (count == 0) return 0;
  VariableGroup group;
  for (std::uint32_t i = 0; i < count; ++i) {
    group.values.push_back(value.GetChildAtIndex(i));
  }
  return session.groups.add(std::move(group));
}

VariableGroup group_of(lldb::SBValueList list) {
  VariableGroup group;
  for (std::uint32_t i = 0; i < list.GetSize(); ++i) {
    group.values.push_back(list.GetValueAtIndex(i));
  }
  return group;
}

struct Scopes {
  static constexpr std::string_view command = "scopes";
  struct Args {
    std::int32_t frame = 0;
    static constexpr auto fields() { return std::tuple{required("frameId", &Args::frame)}; }
  };
  using Body = Json;
  static Result<Body> run(Session& session, const Args& args) {
    lldb::SBFrame frame = TRY(session.frame(args.frame));
    const auto scope = [&](const char* name, const char* hint, VariableGroup group) {
      return Json{{"name", name},
                  {"presentationHint", hint},
                  {"variablesReference", session.groups.add(std::move(group))},
                  {"expensive", false}};
    };
    return Json{{"scopes",
                 {scope("Locals", "locals", group_of(frame.GetVariables(true, true, false, true))),
                  scope("Registers", "registers", group_of(frame.GetRegisters()))}}};
  }
};

struct Variables {
  static constexpr std::string_view command = "variables";
  struct Args {
    std::int32_t reference = 0;
    static constexpr auto fields() {
      return std::tuple{required("variablesReference", &Args::reference)};
    }
  };
  using Body = Json;
  static Result<Body> run(Session& session, const Args& args) {
    TRY(session.stopped());
    const VariableGroup* const found =
        TRY(session.groups.find(args.reference, "variablesReference"));
    Json all = Json::array();
    for (lldb::SBValue value : std::vector<lldb::SBValue>(found->values)) {
      all.push_back({{"name", text_of(value.GetName())},
                     {"value", shown(value)},
                     {"type", text_of(value.GetDisplayTypeName())},
                     {"variablesReference", children_of(session, value)}});
    }
    return Json{{"variables", all}};
  }
};

struct Evaluate {
  static constexpr std::string_view command = "evaluate";
  struct Args {
    std::string expression, context;
    std::optional<std::int32_t> frame;
    static constexpr auto fields() {
      return std::tuple{required("expression", &Args::expression),
                        optional("context", &Args::context), optional("frameId", &Args::frame)};
    }
  };
  using Body = Json;
  static Result<Body> run(Session& session, const Args& args) {
    TRY(session.stopped());
    lldb::SBFrame frame = args.frame ? TRY(session.frame(*args.frame)) : session.selected_frame();
    lldb::SBExpressionOptions options;
    options.SetAllowJIT(false);
    options.SetTryAllThreads(false);
    lldb::SBValue value = frame.EvaluateExpression(args.expression.c_str(), options);
    if (value.GetError().Fail()) {
      return Error{Code::bad_request, text_of(value.GetError().GetCString())};
    }
    return Json{{"result", shown(value)},
                {"type", text_of(value.GetDisplayTypeName())},
                {"variablesReference", children_of(session, value)}};
  }
};

} // namespace

std::span<const RequestRow> variable_requests() {
  static constexpr RequestRow rows[] = {row<Scopes>(), row<Variables>(), row<Evaluate>()};
  return rows;
}

} // namespace kdbg::dap
