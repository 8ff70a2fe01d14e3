#pragma once
/// Conditions and log messages as text, and by LLDB where the engine cannot know what they name.
#include "adapter/rule.hpp"

#include <lldb/API/SBFrame.h>

#include <set>
#include <string>

namespace kdbg::dap {

/// The names in a condition and in the braces of a log message that are not written as registers
/// ($rax).
std::set<std::string> bare_names(std::string_view condition, std::string_view log);
/// `message` with each {expression} replaced by its value; by the complaint where it has none.
std::string log_line(std::string_view message, lldb::SBFrame frame);

} // namespace kdbg::dap
