#pragma once
/// What x86 means by its numbers, in words: exceptions, error codes, MSRs, page tables,
/// descriptors.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace kdbg::lldb_plugin {

/// A read by an exception's description, "caught exception 14, error code 0x2, …": its name and
/// what its error code says, which the server leaves to the reader. Empty for anything else.
std::string explain_exception(std::string_view description);

/// "#PF page fault"; empty for a vector without a name (SDM vol. 3, table 6-1).
std::string_view exception_title(std::uint64_t vector);

/// The bits of an error code in words; empty where the exception has none (SDM 4.7, 6.13).
std::string explain_error_code(std::uint64_t vector, std::uint64_t code);

/// A page-table entry of 4-level and 5-level paging: address and flags (SDM vol. 3, table 4-20).
std::string describe_entry(std::uint64_t entry);

/// Eight bytes of the GDT (SDM 3.4.5), two times eight of the IDT (SDM 6.14.1).
std::string describe_segment(std::uint64_t descriptor);
std::string describe_gate(std::uint64_t low, std::uint64_t high);

} // namespace kdbg::lldb_plugin
