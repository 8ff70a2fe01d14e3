#pragma once
/// Whose process is at the other end of a connection within this host.
#include "adapter/result.hpp"
#include "adapter/server/stream.hpp"

#include <boost/asio/ip/tcp.hpp>

#include <optional>
#include <string_view>

namespace kdbg::server {

/// not_owner, in words, when the peer is a process of another user than this one or root. One that
/// comes from another host is let through: it has no user here.
Status check_peer(Socket& socket);

/// Who owns the end of a TCP connection at `own` that is connected to `other`, out of the text of
/// /proc/net/tcp or tcp6 (proc(5)). Nothing when it is not there, or nobody holds it any more: a
/// socket whose process has closed it is shown as root's.
std::optional<std::uint32_t> owner_in(std::string_view table,
                                      const boost::asio::ip::tcp::endpoint& own,
                                      const boost::asio::ip::tcp::endpoint& other);

} // namespace kdbg::server
