#pragma once
/// A second connection made one of the same client's: for LLDB, which then follows.
#include "adapter/result.hpp"

#include <string_view>

namespace kdbg::dap {

/// `pairing` is what jKvm.hello said on the control connection. Afterwards nothing has been
/// negotiated on `socket`, as a debugger expects. closed when the server does not answer within ten
/// seconds.
Status make_follower(int socket, std::string_view pairing);

} // namespace kdbg::dap
