#pragma once
/// Expressions, evaluated without the guest's help: LLDB interprets, and calls nothing.
#include "adapter/result.hpp"

#include <lldb/API/SBFrame.h>
#include <lldb/API/SBValue.h>

#include <string>
#include <string_view>

namespace kdbg::dap {

/// Whether evaluating it could change something: assignments, ++ and --, calls, and what the
/// compiler turns into a store. In doubt it does.
bool has_side_effects(std::string_view expression);

/// Whether the preprocessor could come to see something in it: it reads the host's files.
bool has_directive(std::string_view text);

/// A variable's path, a register ($rip), else an expression of the frame's language. bad_request
/// with LLDB's words, or for one with a directive.
Result<lldb::SBValue> evaluate_in(lldb::SBFrame frame, const std::string& expression);

} // namespace kdbg::dap
