#pragma once
/// An ArchInfo rendered as the target.xml that gdb and lldb read. Knows no CPU family.
#include "adapter/registers.hpp"

#include <string>

namespace kdbg::gdb {

std::string render_target_xml(const ArchInfo& arch);
std::string escape_xml(std::string_view text);

} // namespace kdbg::gdb
