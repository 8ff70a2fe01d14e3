#pragma once
/// qSupported, threads and the small questions of a connection.
#include "protocols/gdb/packet_table.hpp"

namespace kdbg::gdb {

Table query_packets();

struct Features;
/// What a client says in qSupported, and what is answered: `features` are those that both sides
/// have.
Features parse_features(std::string_view text);
bool is_lldb(std::string_view features);
std::string render_supported(const Features& features, bool to_lldb);

} // namespace kdbg::gdb
