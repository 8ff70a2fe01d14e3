#include "protocols/dap/data/values.hpp"

#include "protocols/dap/data/expressions.hpp"
#include "protocols/dap/data/registers.hpp"

#include <lldb/API/SBStream.h>
#include <lldb/API/SBType.h>
#include <lldb/API/SBValueList.h>
#include <lldb/API/SBVariablesOptions.h>

namespace kdbg::dap {
namespace {

using Kind = VariableGroup::Kind;

std::string shown(lldb::SBValue& value, bool hex) {
  const lldb::SBError error = value.GetError();
  if (error.Fail()) return fmt::format("<{}>", text_of(error));
  value.SetFormat(hex ? lldb::eFormatHex : lldb::eFormatDefault);
  std::string text = text_of(value.GetValue());
  const std::string summary = text_of(value.GetSummary());
  if (!summary.empty()) text += (text.empty() ? "" : " ") + summary;
  return text.empty() ? text_of(value.GetDisplayTypeName()) : text;
}

bool is_array(lldb::SBType type) {
  return (type.GetCanonicalType().GetTypeClass() &
          (lldb::eTypeClassArray | lldb::eTypeClassVector)) != 0;
}

/// LLDB keeps what a value was when it was first looked at: a new one is made where somebody has
/// written memory since.
lldb::SBValue fresh(Session& session, lldb::SBValue value) {
  const auto at = session.memory_is_stale() ? address_of(value) : std::nullopt;
  if (!at) return value;
  lldb::SBValue made = session.target.CreateValueFromAddress(
      text_of(value.GetName()).c_str(), lldb::SBAddress(*at, session.target), value.GetType());
  return made.IsValid() ? made : value;
}

std::optional<std::string> memory_of(lldb::SBValue& value) {
  const bool pointer = value.GetType().IsPointerType();
  const auto at = pointer ? std::optional(value.GetValueAsUnsigned()) : address_of(value);
  if (!at) return std::nullopt;
  return fmt::format("{:#x}", *at);
}

lldb::SBValueList variables_of(Session& session, const VariableGroup& group) {
  lldb::SBFrame frame =
      session.process.GetThreadByID(group.frame.thread).GetFrameAtIndex(group.frame.index);
  const bool globals = group.kind == Kind::globals;
  lldb::SBVariablesOptions options;
  options.SetIncludeArguments(!globals);
  options.SetIncludeLocals(!globals);
  options.SetIncludeStatics(globals);
  options.SetInScopeOnly(!globals);
  options.SetUseDynamic(lldb::eNoDynamicValues);
  return frame.GetVariables(options);
}

/// [begin, end) of `total`.
struct Bounds {
  std::uint32_t begin, end;
};
Bounds bounds(Page page, std::uint32_t total) {
  const std::uint32_t begin = std::min(page.start, total);
  const std::uint32_t wanted = page.count == 0 ? max_listed : std::min(page.count, max_listed);
  return {begin, begin + std::min(wanted, total - begin)};
}

std::vector<Variable>
list_children(Session& session, const VariableGroup& group, Page page, bool hex) {
  lldb::SBValue parent = fresh(session, group.value);
  // only as many as are looked at: a list's children may be without end
  const std::uint64_t last = std::uint64_t{page.start} + max_listed;
  const std::uint32_t total =
      parent.GetNumChildren(static_cast<std::uint32_t>(std::min<std::uint64_t>(last, UINT32_MAX)));
  const Bounds range = bounds(page, total);
  std::vector<Variable> all;
  for (std::uint32_t i = range.begin; i < range.end; ++i) {
    all.push_back(describe_value(session, group.frame, parent.GetChildAtIndex(i), hex));
  }
  return all;
}

std::vector<Variable>
list_variables(Session& session, const VariableGroup& group, Page page, bool hex) {
  lldb::SBValueList values = variables_of(session, group);
  const Bounds range = bounds(page, values.GetSize());
  std::vector<Variable> all;
  for (std::uint32_t i = range.begin; i < range.end; ++i) {
    all.push_back(describe_value(session, group.frame, values.GetValueAtIndex(i), hex));
  }
  return all;
}

/// An element by its name, [3]; a member by its own.
lldb::SBValue child_named(lldb::SBValue parent, const std::string& name) {
  if (name.starts_with('[') && name.ends_with(']')) {
    char* end = nullptr;
    const unsigned long index = std::strtoul(name.c_str() + 1, &end, 10);
    if (*end == ']' && index <= UINT32_MAX) {
      return parent.GetChildAtIndex(static_cast<std::uint32_t>(index));
    }
  }
  lldb::SBValue member = parent.GetChildMemberWithName(name.c_str());
  // of a pointer to a number the one child is named *p
  const bool only = !member.IsValid() && parent.GetNumChildren(2) == 1;
  if (only && text_of(parent.GetChildAtIndex(0).GetName()) == name) {
    return parent.GetChildAtIndex(0);
  }
  return member;
}

} // namespace

std::string text_of(const char* text) {
  return text ? text : "";
}

std::string trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first == text.npos) return {};
  return std::string(text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1));
}

std::string text_of(const lldb::SBError& error) {
  std::string text = text_of(error.GetCString());
  while (text.ends_with('\n')) {
    text.pop_back();
  }
  return text.empty() ? "lldb gives no reason" : text;
}

std::optional<std::uint64_t> address_of(lldb::SBValue value) {
  // not its load address: that is, for one in a register, the value
  lldb::SBValue pointer = value.AddressOf();
  if (!pointer.IsValid() || pointer.GetError().Fail()) return std::nullopt;
  return pointer.GetValueAsUnsigned();
}

Variable describe_value(Session& session, const FrameRef& frame, lldb::SBValue given, bool hex) {
  lldb::SBValue value = fresh(session, given);
  Variable made;
  made.name = text_of(value.GetName());
  made.value = shown(value, hex);
  if (session.client.traits.variable_type) made.type = text_of(value.GetDisplayTypeName());
  made.memory_reference = memory_of(value);
  lldb::SBStream path;
  if (given.GetExpressionPath(path) && path.GetSize() > 0) {
    made.evaluate_name = std::string(path.GetData(), path.GetSize());
  }
  if (value.GetError().Fail() || !value.MightHaveChildren()) return made;
  made.reference = session.groups.add({Kind::children, frame, "", value});
  if (session.client.traits.variable_paging && is_array(value.GetType())) {
    made.indexed = value.GetNumChildren();
  }
  return made;
}

std::string whole_text(Session& session, const lldb::SBValue& given) {
  lldb::SBValue value = fresh(session, given);
  if (!value.MightHaveChildren()) return shown(value, false);
  constexpr const char* limits[] = {"target.max-children-count",
                                    "target.max-string-summary-length"};
  for (const char* const limit : limits) {
    lldb::SBDebugger::SetInternalVariable(limit, "65536", session.debugger.GetInstanceName());
  }
  lldb::SBStream text;
  value.GetDescription(text);
  std::string whole(text.GetData() ? text.GetData() : "", text.GetSize());
  const std::size_t equals = whole.find(" = ");
  if (equals != whole.npos) whole.erase(0, equals + 3);
  while (whole.ends_with('\n')) {
    whole.pop_back();
  }
  return whole;
}

Result<std::vector<Variable>>
list_group(Session& session, const VariableGroup& group, Page page, bool hex) {
  if (group.kind == Kind::children) return list_children(session, group, page, hex);
  if (group.kind == Kind::locals || group.kind == Kind::globals) {
    return list_variables(session, group, page, hex);
  }
  std::vector<Variable> all = TRY(list_registers(session, group));
  const Bounds range = bounds(page, static_cast<std::uint32_t>(all.size()));
  return std::vector<Variable>(all.begin() + range.begin, all.begin() + range.end);
}

Result<lldb::SBValue>
find_in_group(Session& session, const VariableGroup& group, const std::string& name) {
  lldb::SBValue found;
  if (group.kind == Kind::children) {
    found = child_named(group.value, name);
  } else if (group.kind == Kind::locals || group.kind == Kind::globals) {
    lldb::SBValueList values = variables_of(session, group);
    found = values.GetFirstValueByName(name.c_str());
  }
  if (found.IsValid()) return found;
  return Error{Code::bad_request, fmt::format("name {} is not among these variables", name)};
}

Status set_value(Session& session, lldb::SBValue value, const std::string& text) {
  lldb::SBError error;
  if (value.SetValueFromCString(text.c_str(), error)) return Done{};
  lldb::SBFrame frame = value.GetFrame();
  if (!frame.IsValid()) frame = session.selected_frame();
  const auto refused = [&](const std::string& why) {
    return Error{Code::bad_request, fmt::format("value {}: {}", text, why)};
  };
  if (has_side_effects(text)) return refused(text_of(error));
  auto number = evaluate_in(frame, text);
  if (!number) return refused(number.error().what);
  lldb::SBError none;
  const std::string digits = fmt::format("{:#x}", number->GetValueAsUnsigned(none));
  if (none.Success() && value.SetValueFromCString(digits.c_str(), error)) return Done{};
  return refused(text_of(none.Fail() ? none : error));
}

} // namespace kdbg::dap
