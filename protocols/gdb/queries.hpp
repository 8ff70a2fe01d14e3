#pragma once
/// qSupported, threads and the small questions of a connection.
#include "protocols/gdb/packet_table.hpp"

namespace kdbg::gdb {

Table query_packets();

struct Features;
/// What a client says in qSupported, and what is answered: `features` are those that both sides
/// have.
Features parse_features(std::string_view text);
std::string render_supported(const Features& features);

} // namespace kdbg::gdb
