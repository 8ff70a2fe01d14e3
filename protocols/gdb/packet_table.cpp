#include "protocols/gdb/packet_table.hpp"

namespace kdbg::gdb {

const Row* find_row(std::span<const Table> tables, std::string_view packet) {
  const Row* best = nullptr;
  for (const Table& table : tables) {
    for (const Row& row : table) {
      if (row.matches(packet) && (!best || row.prefix.size() > best->prefix.size())) best = &row;
    }
  }
  return best;
}

} // namespace kdbg::gdb
