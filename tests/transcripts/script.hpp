#pragma once
/// The trace format read back: lines to values. Knows no protocol but where a checksum belongs.
#include "adapter/stop.hpp"

namespace kdbg::transcripts {

/// One line of a transcript that means something.
struct Line {
  enum class Kind : std::uint8_t {
    to_server,   ///< `-> text`
    to_client,   ///< `<- text`
    pattern,     ///< `<- /regex/`
    event,       ///< ` ! words`
    left,        ///< ` . client N left`
    instruction, ///< ` = words`: sets up or looks at the fake machine
  };
  Kind kind = Kind::instruction;
  unsigned number = 0; ///< of the line, from 1
  unsigned client = 1;
  std::string text; ///< bytes, unescaped, checksums filled in; a pattern as it stands
};

/// Comments, remarks and empty lines are left out. A line that cannot be read throws
/// std::runtime_error with its number.
std::vector<Line> read_script(std::string_view text);
/// What Trace::event wrote after ` ! `.
Event read_event(std::string_view words);
/// Bytes as a transcript shows them.
std::string shown(std::string_view bytes);

} // namespace kdbg::transcripts
