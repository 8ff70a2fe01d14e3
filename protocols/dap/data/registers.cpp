#include "protocols/dap/data/registers.hpp"

#include "adapter/msrs.hpp"
#include "protocols/dap/message/address.hpp"

namespace kdbg::dap {
namespace {

using Kind = VariableGroup::Kind;

lldb::SBFrame frame_of(Session& session, const FrameRef& frame) {
  return session.process.GetThreadByID(frame.thread).GetFrameAtIndex(frame.index);
}

bool is_number(lldb::SBValue& value) {
  return value.GetByteSize() <= sizeof(std::uint64_t);
}

std::string shown(const RegisterEntry* entry, lldb::SBValue& value) {
  if (value.GetError().Fail()) return fmt::format("<{}>", text_of(value.GetError()));
  if (!is_number(value)) return text_of(value.GetValue());
  const std::uint64_t number = value.GetValueAsUnsigned();
  const std::string fields = entry ? decoded(*entry, number) : "";
  return fields.empty() ? fmt::format("{:#x}", number) : fmt::format("{:#x} {}", number, fields);
}

Variable described(Session& session,
                   const FrameRef& frame,
                   const RegisterEntry* entry,
                   lldb::SBValue& value) {
  Variable made;
  made.name = text_of(value.GetName());
  made.value = shown(entry, value);
  if (session.client.traits.variable_type) made.type = text_of(value.GetDisplayTypeName());
  made.evaluate_name = "$" + made.name;
  if (value.GetByteSize() == sizeof(std::uint64_t)) {
    made.memory_reference = fmt::format("{:#x}", value.GetValueAsUnsigned());
  }
  if (entry && !entry->fields.empty()) {
    made.reference = session.groups.add({Kind::fields, frame, entry->name, {}});
  }
  return made;
}

/// A name of a group's own, and no value: LLDB reads nothing for it.
std::vector<Variable>
list_groups(Session& session, const RegisterTable& table, const VariableGroup& whole) {
  std::vector<Variable> all;
  for (const std::string& name : table.groups()) {
    if (name == msr_group) continue; // a scope of its own
    Variable made;
    made.name = name;
    made.reference = session.groups.add({Kind::registers, whole.frame, name, {}});
    all.push_back(std::move(made));
  }
  return all;
}

std::vector<Variable>
list_group_of(Session& session, const RegisterTable& table, const VariableGroup& group) {
  lldb::SBFrame frame = frame_of(session, group.frame);
  std::vector<Variable> all;
  for (const RegisterEntry& entry : table.registers) {
    if (entry.group != group.name) continue;
    lldb::SBValue value = frame.FindRegister(entry.name.c_str());
    if (value.IsValid()) all.push_back(described(session, group.frame, &entry, value));
  }
  return all;
}

Variable describe_msr(const Msr& msr, const Json& answer) {
  Variable made;
  made.name = msr.name;
  made.value = answer.value("value", "");
  made.type = fmt::format("MSR {:#x}", msr.number);
  return made;
}

/// Asked of the server, one by one: LLDB would read some as often as it likes, and keep others.
Result<Json> ask_msr(Session& session, const VariableGroup& group, const Msr& msr, Json more = {}) {
  more["number"] = msr.number;
  more["vcpu"] = group.frame.thread - 1;
  return session.control->ask("msr", more);
}

Result<std::vector<Variable>> list_msrs(Session& session, const VariableGroup& group) {
  std::vector<Variable> all;
  for (const Msr& msr : msrs) {
    const auto answer = ask_msr(session, group, msr);
    if (!answer && answer.error().code == Code::closed) return answer.error();
    if (answer) all.push_back(describe_msr(msr, *answer)); // else this processor has none
  }
  return all;
}

Result<Variable> set_msr(Session& session,
                         const VariableGroup& group,
                         const std::string& name,
                         const std::string& text) {
  const Msr* const msr = find_msr(name);
  if (!msr) return Error{Code::bad_request, fmt::format("name {} is no MSR that has one", name)};
  const auto value = parse_number(text);
  if (!value) return Error{Code::bad_request, fmt::format("value {} is no number", text)};
  return describe_msr(
      *msr, TRY(ask_msr(session, group, *msr, {{"value", fmt::format("{:#x}", *value)}})));
}

Variable describe_field(const RegisterField& field, std::uint64_t whole) {
  Variable made;
  made.name = field.name;
  made.value = std::to_string(field.of(whole));
  return made;
}

Result<lldb::SBValue> find_register(Session& session, const VariableGroup& group) {
  lldb::SBValue value = frame_of(session, group.frame).FindRegister(group.name.c_str());
  if (value.IsValid()) return value;
  return Error{Code::bad_request, fmt::format("there is no register {}", group.name)};
}

Result<std::uint64_t> field_value(const RegisterField& field, const std::string& text) {
  const auto number = text == "true"    ? std::optional<std::uint64_t>(1)
                      : text == "false" ? std::optional<std::uint64_t>(0)
                                        : parse_number(text);
  if (number && *number <= field.mask()) return *number;
  return Error{Code::bad_request, fmt::format("value of {} must be from 0 to {}, not {}",
                                              field.name, field.mask(), text)};
}

Result<Variable> set_field(Session& session,
                           const RegisterEntry& entry,
                           const VariableGroup& group,
                           const std::string& name,
                           const std::string& text) {
  for (const RegisterField& field : entry.fields) {
    if (field.name != name) continue;
    const std::uint64_t part = TRY(field_value(field, text));
    lldb::SBValue value = TRY(find_register(session, group));
    const std::uint64_t before = value.GetValueAsUnsigned();
    const std::uint64_t now = (before & ~(field.mask() << field.first)) | part << field.first;
    TRY(set_value(session, value, fmt::format("{:#x}", now)));
    return describe_field(field, TRY(find_register(session, group)).GetValueAsUnsigned());
  }
  return Error{Code::bad_request, fmt::format("name {}: {} has no such field", name, entry.name)};
}

} // namespace

Result<const RegisterTable*> register_table(Session& session) {
  if (!session.registers) {
    session.registers = parse_description(TRY(session.control->description()));
  }
  return &*session.registers;
}

Result<std::vector<Variable>> list_registers(Session& session, const VariableGroup& group) {
  if (group.kind == Kind::msrs) return list_msrs(session, group);
  const RegisterTable* const table = TRY(register_table(session));
  if (group.kind == Kind::register_groups) return list_groups(session, *table, group);
  if (group.kind == Kind::registers) return list_group_of(session, *table, group);
  const std::uint64_t whole = TRY(find_register(session, group)).GetValueAsUnsigned();
  std::vector<Variable> all;
  const RegisterEntry* const entry = table->find(group.name);
  for (const RegisterField& field : entry ? entry->fields : std::vector<RegisterField>{}) {
    all.push_back(describe_field(field, whole));
  }
  return all;
}

Result<Variable> set_register(Session& session,
                              const VariableGroup& group,
                              const std::string& name,
                              const std::string& text) {
  if (group.kind == Kind::msrs) return set_msr(session, group, name, text);
  const RegisterTable* const table = TRY(register_table(session));
  const bool field = group.kind == Kind::fields;
  const RegisterEntry* const entry = table->find(field ? group.name : name);
  if (!entry || (!field && entry->group != group.name)) {
    return Error{Code::bad_request, fmt::format("name {} is not among these registers", name)};
  }
  if (field) return set_field(session, *entry, group, name, text);
  const VariableGroup itself{Kind::registers, group.frame, name, {}};
  const lldb::SBValue before = TRY(find_register(session, itself));
  TRY(set_value(session, before, text));
  lldb::SBValue now = TRY(find_register(session, itself));
  return described(session, group.frame, entry, now);
}

Variable describe_register(Session& session, const FrameRef& frame, lldb::SBValue value) {
  const auto table = register_table(session);
  const RegisterEntry* const entry = table ? (*table)->find(text_of(value.GetName())) : nullptr;
  return described(session, frame, entry, value);
}

std::optional<std::uint64_t> register_number(lldb::SBFrame frame, const char* name) {
  lldb::SBValue value = frame.FindRegister(name);
  if (!value.IsValid() || value.GetError().Fail() || !is_number(value)) return std::nullopt;
  return value.GetValueAsUnsigned();
}

} // namespace kdbg::dap
