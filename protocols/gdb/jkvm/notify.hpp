#pragma once
/// Events as `%Kvm:{…}` notifications, for clients that asked for them.
#include "adapter/session.hpp"
#include "protocols/gdb/jkvm/json.hpp"

namespace kdbg::gdb::jkvm {

/// Bit n: the n-th of `events`.
using Subscription = std::uint32_t;

/// From a list of names.
Result<Subscription> parse_subscription(const Json& names);
Json subscription(Subscription wanted);

/// The client takes log lines as notifications.
bool wants_log(Subscription wanted);

/// The notification's payload; nothing when it is not wanted. The session knows clients' names.
std::optional<std::string>
notification(Subscription wanted, const Event& event, const Session& session);

} // namespace kdbg::gdb::jkvm
