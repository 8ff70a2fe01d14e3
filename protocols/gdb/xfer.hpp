#pragma once
/// qXfer: documents read in pieces.
#include "protocols/gdb/packet_table.hpp"

namespace kdbg::gdb {

Table xfer_packets();

/// Which document, and which piece of it.
struct Request {
  std::string_view annex;
  std::uint64_t offset = 0, length = 0; ///< bytes
};
/// ANNEX:OFFSET,LENGTH
Result<Request> parse_request(std::string_view arguments);
/// `m` when more follows, `l` with the last piece; an offset beyond the end is bad_request.
Answer slice(const std::string& document, const Request& request);
Answer no_such_annex();

} // namespace kdbg::gdb
