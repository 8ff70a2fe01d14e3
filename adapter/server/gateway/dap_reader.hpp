#pragma once
/// The first request of a DAP client on a stream, for who has only one thing to answer.
#include "adapter/server/stream.hpp"

#include <chrono>

namespace kdbg::server {

/// `said`: what it has sent already. `done` gets the request, or nothing when none came in time.
void read_dap_request(Socket socket,
                      std::string said,
                      std::chrono::milliseconds patience,
                      std::function<void(Socket socket, std::string_view request)> done);

} // namespace kdbg::server
