#pragma once
/// A socket to a server that listens.
#include "adapter/result.hpp"

#include <string_view>

namespace kdbg::dap {

/// `address`: HOST:PORT, [V6]:PORT, :PORT (loopback) or unix:PATH. The caller owns the socket.
/// bad_request for what is no address, closed when nobody listens there within five seconds.
Result<int> dial(std::string_view address);

} // namespace kdbg::dap
