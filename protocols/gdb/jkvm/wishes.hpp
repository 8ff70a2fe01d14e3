#pragma once
/// Points and rules as `jKvm.insert` and `jKvm.remove` take them.
#include "protocols/gdb/conversation.hpp"
#include "protocols/gdb/jkvm/json.hpp"

namespace kdbg::gdb::jkvm {

Result<Point> point_in(const Json& arguments);
Result<Rule> rule_in(const Conversation& c, const Json& arguments);

} // namespace kdbg::gdb::jkvm
