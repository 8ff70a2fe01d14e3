#pragma once
/// The last that a connection is told, and its end: what was said arrives even when the client has
/// sent something that nobody reads any more.
#include "adapter/server/stream.hpp"

#include <chrono>

namespace kdbg::server {

/// Sends `last`, then waits until the client closes: for `patience`, and no more than some bytes.
/// `done` is called once, later.
void say_farewell(Socket socket,
                  std::string last,
                  std::chrono::milliseconds patience,
                  std::function<void()> done);

} // namespace kdbg::server
