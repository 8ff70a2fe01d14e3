#pragma once
/// The kernel's word on one TCP connection of this host (sock_diag(7)): some 20 microseconds, where
/// reading /proc/net/tcp takes milliseconds.
#include <boost/asio/ip/tcp.hpp>

#include <optional>

namespace kdbg::server {

/// Who owns the end at `own` that is connected to `other`. Nothing when there is no such
/// connection, nobody holds that end any more, or this kernel does not tell.
std::optional<std::uint32_t> diagnosed_owner(const boost::asio::ip::tcp::endpoint& own,
                                             const boost::asio::ip::tcp::endpoint& other);

} // namespace kdbg::server
