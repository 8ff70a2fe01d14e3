#pragma once
/// One line in, one line out: what a machine is doing, for whoever lists machines. Its clients are
/// no debuggers: they join nothing, stop nothing and leave no trace.
#include "adapter/front_end.hpp"

namespace kdbg::state {

/// A client says this line; the answer is `running`, or `stopped: ` and why.
inline constexpr std::string_view question = "state\n";

Protocol protocol();

} // namespace kdbg::state
