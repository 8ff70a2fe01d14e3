#pragma once
/// The guest's code as instructions, in the width of code that its processor runs.
#include "protocols/dap/session/session.hpp"

namespace kdbg::dap {

struct CodeLine {
  std::uint64_t address = 0;
  ByteView bytes{}; ///< of the buffer that was decoded; none of a filler
  std::string text;
  bool valid = false; ///< false: a filler, or bytes that are no instruction
};

/// Decoded lines, and the bytes that they show.
struct Instructions {
  std::vector<Bytes> buffers;
  std::vector<CodeLine> lines;
};

/// Of x86, SDM vol. 3, 3.4.5: by CS and EFER. native: as the target's description says.
enum class CodeMode : std::uint8_t { native, bits32, bits16 };
CodeMode code_mode(Session& session);
/// Where a frame's code is fetched: pc, and the code segment's base where that counts.
std::uint64_t linear_pc(const lldb::SBFrame& frame);

/// All of `bytes`, which lie at `at`. The lines point into them.
std::vector<CodeLine> decode(Session& session, CodeMode mode, std::uint64_t at, ByteView bytes);
inline constexpr std::uint64_t largest_function = 64 * 1024; ///< bytes; beyond, symbols are odd
/// The first byte of the function that holds `address`, where symbols tell.
std::optional<std::uint64_t> function_start(Session& session, std::uint64_t address);

/// Exactly `count` lines from `at` on; where memory ends, fillers a byte apart.
Result<Instructions>
code_from(Session& session, CodeMode mode, const Address& at, std::size_t count);
/// Exactly `count` lines, the last of which ends at `end`; fillers first where there is no more.
Result<Instructions>
code_before(Session& session, CodeMode mode, const Address& end, std::size_t count);

/// Functions that the rest of the frame's line calls by name, in order, each once.
Result<std::vector<std::string>> callees_of_line(Session& session, const lldb::SBFrame& frame);

/// A listing that a client may ask for by number: the function around `pc`, or, where no symbol
/// tells of one, what follows it.
struct ListedPlace {
  std::int32_t reference;
  std::uint32_t line; ///< of `pc`, from 1
  std::string name;
};
Result<ListedPlace> listed_place(Session& session, std::uint64_t pc);
/// bad_request when no listing has this number.
Result<std::string> listing(Session& session, std::int32_t reference);

} // namespace kdbg::dap
