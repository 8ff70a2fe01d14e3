#include "protocols/gdb/range.hpp"

namespace kdbg::gdb {

Result<Range> parse_range(Scanner& scanner, char separator) {
  Range range;
  range.at = TRY(scanner.hex("address"));
  TRY(scanner.expect(separator));
  range.length = TRY(scanner.hex("length"));
  return range;
}

} // namespace kdbg::gdb
