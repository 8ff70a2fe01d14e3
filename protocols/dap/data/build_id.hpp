#pragma once
/// Whether a file with symbols is of the build that the guest runs.
#include "protocols/dap/session/session.hpp"

#include <lldb/API/SBModule.h>

namespace kdbg::dap {

/// By the build id's note (ELF, NT_GNU_BUILD_ID), where the file and the guest's memory have one.
/// Nothing where they cannot be compared, or not yet.
std::optional<bool> same_build(Session& session, lldb::SBModule module);

} // namespace kdbg::dap
