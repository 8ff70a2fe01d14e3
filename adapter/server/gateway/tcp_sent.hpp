#pragma once
/// What the kernel counts of a TCP connection. Apart, since its own header for that and the C
/// library's exclude each other.
#include <optional>

namespace kdbg::server {

/// Whether anything was ever sent on this connection; nothing when it is not TCP's.
std::optional<bool> tcp_has_sent(int socket);

} // namespace kdbg::server
