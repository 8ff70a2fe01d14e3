#pragma once
/// qXfer:osdata: gdb's `info os`: the machine's vCPUs, points and clients as tables.
#include "protocols/gdb/packet_table.hpp"

#include <vector>

namespace kdbg::gdb {

Table osdata_packets();

/// One row of a table of gdb's `info os`.
struct Column {
  std::string_view name;
  std::string value;
};
using Lines = std::vector<std::vector<Column>>;
std::string render_osdata(std::string_view type, const Lines& lines);

} // namespace kdbg::gdb
