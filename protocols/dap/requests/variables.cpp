/// Values: scopes, variables, setVariable, setExpression.
#include "protocols/dap/data/expressions.hpp"
#include "protocols/dap/data/memory.hpp"
#include "protocols/dap/data/registers.hpp"
#include "protocols/dap/requests/expression_args.hpp"
#include "protocols/dap/requests/request_table.hpp"

#include <lldb/API/SBType.h>

namespace kdbg::dap {
namespace {

using Kind = VariableGroup::Kind;

Json as_variable(const Variable& one) {
  Json json = {{"name", one.name}, {"value", one.value}, {"variablesReference", one.reference}};
  if (one.type) json["type"] = *one.type;
  if (one.evaluate_name) json["evaluateName"] = *one.evaluate_name;
  if (one.memory_reference) json["memoryReference"] = *one.memory_reference;
  if (one.indexed) json["indexedVariables"] = *one.indexed;
  if (one.named) json["namedVariables"] = *one.named;
  return json;
}

/// As in the responses of setVariable and setExpression.
Json as_value(const Variable& one) {
  Json json = as_variable(one);
  json.erase("name");
  json.erase("evaluateName");
  return json;
}

struct Scopes {
  static constexpr std::string_view command = "scopes";
  struct Args {
    std::int32_t frame = 0;
    static constexpr auto fields() { return std::tuple{required("frameId", &Args::frame)}; }
  };
  using Body = Json;
  static Result<Body> run(Session& session, const Args& args) {
    TRY(session.frame(args.frame));
    const FrameRef frame = *TRY(session.frames.find(args.frame, "frameId"));
    Json scopes = Json::array();
    const auto add = [&](std::string_view name, const char* hint, bool expensive,
                         VariableGroup group) {
      Json scope = {{"name", name},
                    {"variablesReference", session.groups.add(std::move(group))},
                    {"expensive", expensive}};
      if (hint) scope["presentationHint"] = hint;
      scopes.push_back(std::move(scope));
    };
    add("Locals", "locals", false, {Kind::locals, frame});
    add("Globals", nullptr, true, {Kind::globals, frame});
    add("Registers", "registers", false, {Kind::register_groups, frame});
    const auto table = register_table(session);
    const auto groups = table ? (*table)->groups() : std::vector<std::string>{};
    if (std::find(groups.begin(), groups.end(), msr_group) == groups.end()) {
      return Json{{"scopes", scopes}};
    }
    add(msr_group, "registers", true, {Kind::msrs, frame});
    return Json{{"scopes", scopes}};
  }
};

/// Elements are the children of arrays, names those of all else.
bool filtered_out(const std::string& filter, const VariableGroup& group) {
  if (filter.empty()) return false;
  lldb::SBValue value = group.value;
  const bool array = group.kind == Kind::children && value.GetType().IsArrayType();
  return array != (filter == "indexed");
}

struct Variables {
  static constexpr std::string_view command = "variables";
  struct Args {
    std::int32_t reference = 0;
    std::string filter;
    std::uint32_t start = 0, count = 0;
    ValueFormat format;
    static constexpr auto fields() {
      return std::tuple{required("variablesReference", &Args::reference),
                        optional("filter", &Args::filter), optional("start", &Args::start),
                        optional("count", &Args::count), optional("format", &Args::format)};
    }
  };
  using Body = Json;
  static void declare(Json& capabilities) { capabilities["supportsValueFormattingOptions"] = true; }
  static Result<Body> run(Session& session, const Args& args) {
    TRY(session.stopped());
    if (!args.filter.empty() && args.filter != "indexed" && args.filter != "named") {
      return Error{Code::bad_request,
                   fmt::format("filter must be indexed or named, not {}", args.filter)};
    }
    const VariableGroup group = *TRY(session.groups.find(args.reference, "variablesReference"));
    Json all = Json::array();
    if (!filtered_out(args.filter, group)) {
      const Page page{args.start, args.count};
      for (const Variable& one : TRY(list_group(session, group, page, args.format.hex))) {
        all.push_back(as_variable(one));
      }
    }
    return Json{{"variables", all}};
  }
};

/// Writes, and notes what the client is to be told of afterwards.
Status write_value(Session& session, lldb::SBValue value, const std::string& text) {
  TRY(set_value(session, value, text));
  const auto at = address_of(value);
  if (at) session.written = {Address{*at}, value.GetByteSize()};
  return Done{};
}

void tell_changes(Session& session) {
  tell_written(session);
  if (!session.client.traits.invalidated) return;
  session.client.tell("invalidated", {{"areas", {"stacks", "variables"}}});
}

struct SetVariable {
  static constexpr std::string_view command = "setVariable";
  struct Args {
    std::int32_t reference = 0;
    std::string name, value;
    ValueFormat format;
    static constexpr auto fields() {
      return std::tuple{required("variablesReference", &Args::reference),
                        required("name", &Args::name), required("value", &Args::value),
                        optional("format", &Args::format)};
    }
  };
  using Body = Json;
  static constexpr bool acts = true;
  static void declare(Json& capabilities) { capabilities["supportsSetVariable"] = true; }
  static Result<Body> run(Session& session, const Args& args) {
    TRY(session.stopped());
    const VariableGroup group = *TRY(session.groups.find(args.reference, "variablesReference"));
    if (group.kind == Kind::registers || group.kind == Kind::fields || group.kind == Kind::msrs) {
      return as_value(TRY(set_register(session, group, args.name, args.value)));
    }
    lldb::SBValue value = TRY(find_in_group(session, group, args.name));
    TRY(write_value(session, value, args.value));
    return as_value(describe_value(session, group.frame, value, args.format.hex));
  }
  static void after_reply(Session& session) { tell_changes(session); }
};

/// What `expression` names, as a thing that can be written.
Result<lldb::SBValue>
find_lvalue(Session& session, const lldb::SBFrame& frame, const std::string& expression) {
  if (has_side_effects(expression)) {
    return Error{Code::bad_request, fmt::format("expression {} is no place", expression)};
  }
  lldb::SBValue value = TRY(evaluate_in(frame, expression));
  const auto kind = value.GetValueType();
  if (kind != lldb::eValueTypeConstResult) return value;
  // a result is a copy: what it is a copy of is written
  lldb::SBValue pointer = TRY(evaluate_in(frame, fmt::format("&({})", expression)));
  const std::uint64_t at = pointer.GetValueAsUnsigned(LLDB_INVALID_ADDRESS);
  value = session.target.CreateValueFromAddress(
      expression.c_str(), lldb::SBAddress(at, session.target), pointer.GetType().GetPointeeType());
  if (value.IsValid()) return value;
  return Error{Code::bad_request, fmt::format("expression {} is no place", expression)};
}

struct SetExpression {
  static constexpr std::string_view command = "setExpression";
  struct Args : ExpressionArgs {
    std::string value;
    static constexpr auto fields() {
      return std::tuple_cat(ExpressionArgs::fields(), std::tuple{required("value", &Args::value)});
    }
  };
  using Body = Json;
  static constexpr bool acts = true;
  static void declare(Json& capabilities) { capabilities["supportsSetExpression"] = true; }
  static Result<Body> run(Session& session, const Args& args) {
    lldb::SBFrame frame = TRY(frame_of(session, args));
    const FrameRef place{frame.GetThread().GetThreadID(), frame.GetFrameID()};
    lldb::SBValue value = TRY(find_lvalue(session, frame, args.expression));
    const bool in_register = value.GetValueType() == lldb::eValueTypeRegister;
    TRY(write_value(session, value, args.value));
    return as_value(in_register ? describe_register(session, place, value)
                                : describe_value(session, place, value, args.format.hex));
  }
  static void after_reply(Session& session) { tell_changes(session); }
};

} // namespace

std::span<const RequestRow> variable_requests() {
  static constexpr RequestRow rows[] = {row<Scopes>(), row<Variables>(), row<SetVariable>(),
                                        row<SetExpression>()};
  return rows;
}

} // namespace kdbg::dap
