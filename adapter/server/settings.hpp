#pragma once
/// What the user may set about listening, and the limits that keep one client from hurting others.
#include <chrono>
#include <cstddef>
#include <functional>
#include <string_view>

namespace kdbg::server {

struct Settings {
  bool allow_remote = false; ///< listen beyond loopback
  bool any_user = false;     ///< processes of all users of this host may come
  std::size_t max_clients = 64;
  std::size_t max_backlog = std::size_t{64} << 20; ///< bytes that a client may be behind in reading
  std::chrono::milliseconds first_byte{
      10'000}; ///< a client that says nothing for so long goes; 0: it may stay
  std::chrono::milliseconds last_bytes{10'000}; ///< for what a leaving client has yet to read
};

/// Takes one line for people.
using Log = std::function<void(std::string_view)>;

} // namespace kdbg::server
