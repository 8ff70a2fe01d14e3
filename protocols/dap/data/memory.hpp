#pragma once
/// The guest's memory in any address space, as it is now: never a file's.
#include "adapter/types.hpp"
#include "protocols/dap/session/session.hpp"

namespace kdbg::dap {

/// Most bytes that one request reads.
inline constexpr std::uint64_t max_read = std::uint64_t{1} << 20;

/// As many bytes from `at` on as can be read, at most `count`: a hole ends it. Errors: running (of
/// virtual memory), closed.
Result<Bytes> read_memory(Session& session, const Address& at, std::uint64_t count);
/// How many bytes from `at` on, where nothing can be read, until something can; at most `count`.
Result<std::uint64_t> hole_size(Session& session, const Address& at, std::uint64_t count);
/// Writes all of it. Errors: running, closed, memory_fault, not_owner.
Status write_memory(Session& session, const Address& at, ByteView bytes);

/// An event for each reference that the client has read by and that may show these bytes: all those
/// of other address spaces may.
void tell_memory_changed(Session& session, const MemoryChange& change);
/// All memory may have changed: the guest has run.
void tell_memory_changed(Session& session);
/// What the request under way has written.
void tell_written(Session& session);
/// The server's event of docs/jkvm.md: another client has written.
void on_memory_changed(Session& session, const Json& event);

} // namespace kdbg::dap
