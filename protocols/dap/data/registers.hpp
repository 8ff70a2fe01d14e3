#pragma once
/// A frame's registers in groups, and the named fields of some.
#include "protocols/dap/data/values.hpp"

namespace kdbg::dap {

/// The table, asked for once in a session.
Result<const RegisterTable*> register_table(Session& session);

/// Of a group of kind register_groups, registers, fields or msrs. Reads what it lists, no more.
Result<std::vector<Variable>> list_registers(Session& session, const VariableGroup& group);

/// Of a group of kind registers, fields or msrs: the new text of the variable.
Result<Variable> set_register(Session& session,
                              const VariableGroup& group,
                              const std::string& name,
                              const std::string& text);

/// A register as a result of an expression.
Variable describe_register(Session& session, const FrameRef& frame, lldb::SBValue value);

/// A number from a register; nothing when there is none of that name, or of no such width.
std::optional<std::uint64_t> register_number(lldb::SBFrame frame, const char* name);

} // namespace kdbg::dap
