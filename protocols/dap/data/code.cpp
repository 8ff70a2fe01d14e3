#include "protocols/dap/data/code.hpp"

#include "protocols/dap/data/memory.hpp"
#include "protocols/dap/data/registers.hpp"
#include "protocols/dap/data/values.hpp"

#include <lldb/API/SBInstruction.h>
#include <lldb/API/SBInstructionList.h>
#include <lldb/API/SBSymbol.h>

#include <algorithm>

namespace kdbg::dap {
namespace {

constexpr std::uint64_t longest = 16; // bytes; x86's longest has 15
constexpr std::uint64_t usual = 5;    // bytes, of x86 in the mean: what is read first
constexpr std::uint64_t page = 4096;

/// LLDB decodes for its target's width only: other widths have a target of their own.
lldb::SBTarget target_of(Session& session, CodeMode mode) {
  if (mode == CodeMode::native) return session.target;
  const bool narrow = mode == CodeMode::bits16;
  const char* const triple = narrow ? "i386-unknown-unknown-code16" : "i386-unknown-unknown";
  lldb::SBTarget& made = session.code_targets[narrow ? 0 : 1];
  if (!made.IsValid()) {
    lldb::SBError error;
    made = session.debugger.CreateTarget("", triple, nullptr, false, error);
    session.debugger.SetSelectedTarget(session.target);
  }
  return made.IsValid() ? made : session.target;
}

std::string text_of_bytes(ByteView bytes) {
  std::string text = ".byte";
  for (const std::byte one : bytes) {
    text += fmt::format("{}{:#04x}", text.size() > 5 ? ", " : " ", std::to_integer<int>(one));
  }
  return text;
}

CodeLine filler(std::uint64_t address) {
  return {address, {}, "no memory", false};
}

/// What can be read of the `size` bytes that end at `end`: the last ones.
Result<Bytes> read_ending_at(Session& session, const Address& end, std::uint64_t size) {
  size = std::min(size, end.value);
  const Address all{end.value - size, end.space};
  Bytes bytes = TRY(read_memory(session, all, size));
  if (bytes.size() == size) return bytes;
  Bytes tail;
  while (tail.size() < size) {
    const std::uint64_t to = end.value - tail.size();
    const std::uint64_t from = std::max(all.value, (to - 1) / page * page);
    Bytes some = TRY(read_memory(session, {from, end.space}, to - from));
    if (some.size() < to - from) break;
    tail.insert(tail.begin(), some.begin(), some.end());
  }
  return tail;
}

bool lands_on(const std::vector<CodeLine>& lines, std::uint64_t end) {
  return !lines.empty() && lines.back().address + lines.back().bytes.size() == end &&
         lines.back().valid;
}

/// Instructions from a function's first byte, when the last of them ends at `end`.
std::vector<CodeLine> anchored(Session& session, CodeMode mode, const Address& end, Bytes& buffer) {
  if (end.space.kind != Space::Kind::current) return {};
  const auto start = function_start(session, end.value - 1);
  if (!start) return {};
  auto bytes = read_memory(session, Address{*start}, end.value - *start);
  if (!bytes || bytes->size() < end.value - *start) return {};
  buffer = *std::move(bytes);
  auto lines = decode(session, mode, *start, buffer);
  return lands_on(lines, end.value) ? lines : std::vector<CodeLine>{};
}

/// x86 code falls into step soon wherever one begins: the start that leaves the fewest bytes that
/// are no instruction.
std::vector<CodeLine>
resynchronised(Session& session, CodeMode mode, std::uint64_t end, ByteView bytes) {
  std::vector<CodeLine> best;
  std::size_t fewest = SIZE_MAX;
  for (std::size_t skip = 0; skip < std::min<std::size_t>(longest, bytes.size()); ++skip) {
    auto lines = decode(session, mode, end - bytes.size() + skip, bytes.subspan(skip));
    if (!lands_on(lines, end)) continue;
    const auto wrong =
        std::count_if(lines.begin(), lines.end(), [](const CodeLine& line) { return !line.valid; });
    if (static_cast<std::size_t>(wrong) >= fewest) continue;
    fewest = static_cast<std::size_t>(wrong);
    best = std::move(lines);
    if (fewest == 0) break;
  }
  if (!best.empty()) return best;
  return {{end - 1, bytes.last(1), text_of_bytes(bytes.last(1)), false}};
}

/// A piece of code that ends at `end`; no lines where nothing can be read there.
Status prepend_piece(
    Session& session, CodeMode mode, const Address& end, std::size_t wanted, Instructions& code) {
  Bytes buffer;
  auto lines = anchored(session, mode, end, buffer);
  if (lines.empty()) {
    buffer = TRY(read_ending_at(session, end, wanted * usual + 2 * longest));
    if (buffer.empty()) return Done{};
    lines = resynchronised(session, mode, end.value, buffer);
    // the first ones may not be in step yet
    const std::size_t doubtful = lines.size() > wanted ? lines.size() - wanted : 0;
    lines.erase(lines.begin(), lines.begin() + static_cast<std::ptrdiff_t>(doubtful));
  }
  code.lines.insert(code.lines.begin(), lines.begin(), lines.end());
  code.buffers.push_back(std::move(buffer));
  return Done{};
}

} // namespace

std::vector<CodeLine> decode(Session& session, CodeMode mode, std::uint64_t at, ByteView bytes) {
  lldb::SBTarget target = target_of(session, mode);
  lldb::SBInstructionList list = target.GetInstructionsWithFlavor(
      lldb::SBAddress(at, target), "intel", bytes.data(), bytes.size());
  std::vector<CodeLine> lines;
  std::size_t done = 0;
  for (std::uint32_t i = 0; i < list.GetSize() && done < bytes.size(); ++i) {
    lldb::SBInstruction one = list.GetInstructionAtIndex(i);
    const std::size_t size = std::clamp<std::size_t>(one.GetByteSize(), 1, bytes.size() - done);
    CodeLine line{at + done, bytes.subspan(done, size), text_of(one.GetMnemonic(target)), true};
    line.valid = !line.text.empty() && line.text != "<unknown>";
    if (line.valid) {
      const std::string operands = text_of(one.GetOperands(target));
      if (!operands.empty()) line.text += " " + operands;
    } else {
      line.text = text_of_bytes(line.bytes);
    }
    lines.push_back(std::move(line));
    done += size;
  }
  return lines;
}

std::optional<std::uint64_t> function_start(Session& session, std::uint64_t address) {
  lldb::SBSymbol symbol = session.target.ResolveLoadAddress(address).GetSymbol();
  if (!symbol.IsValid()) return std::nullopt;
  const std::uint64_t start = symbol.GetStartAddress().GetLoadAddress(session.target);
  if (start > address || address - start > largest_function) return std::nullopt;
  return start;
}

CodeMode code_mode(Session& session) {
  if (!session.stopped()) return CodeMode::native;
  lldb::SBFrame frame = session.selected_frame();
  if (frame.GetPC() > UINT32_MAX) return CodeMode::native; // and no register need be read
  const auto efer = register_number(frame, "efer");
  const auto attributes = register_number(frame, "cs_attr");
  if (!efer || !attributes) return CodeMode::native;
  // the descriptor's upper half from bit 8 on: L is its bit 21, D its bit 22
  const bool long_mode = (*efer >> 10 & 1) != 0;
  if (long_mode && (*attributes >> 13 & 1) != 0) return CodeMode::native;
  return (*attributes >> 14 & 1) != 0 ? CodeMode::bits32 : CodeMode::bits16;
}

std::uint64_t linear_pc(const lldb::SBFrame& frame) {
  const std::uint64_t pc = frame.GetPC();
  if (pc > UINT32_MAX) return pc;
  const auto efer = frame.GetFrameID() == 0 ? register_number(frame, "efer") : std::nullopt;
  if (!efer || (*efer >> 10 & 1) != 0) return pc;
  return (pc + register_number(frame, "cs_base").value_or(0)) & UINT32_MAX;
}

Result<Instructions>
code_from(Session& session, CodeMode mode, const Address& at, std::size_t count) {
  Instructions code;
  std::uint64_t next = at.value;
  bool more = true;
  while (more && code.lines.size() < count) {
    const std::uint64_t wanted = (count - code.lines.size()) * usual + 2 * longest;
    Bytes bytes = TRY(read_memory(session, {next, at.space}, wanted));
    more = bytes.size() == wanted;
    auto lines = decode(session, mode, next, bytes);
    // the last ones may have been cut off
    while (more && lines.back().address - next + longest > bytes.size()) {
      lines.pop_back();
    }
    if (!lines.empty()) next = lines.back().address + lines.back().bytes.size();
    code.lines.insert(code.lines.end(), lines.begin(), lines.end());
    code.buffers.push_back(std::move(bytes));
  }
  while (code.lines.size() < count) {
    code.lines.push_back(filler(next++));
  }
  code.lines.resize(count);
  return code;
}

Result<Instructions>
code_before(Session& session, CodeMode mode, const Address& end, std::size_t count) {
  Instructions code;
  Address next = end;
  while (code.lines.size() < count && next.value > 0) {
    const std::size_t before = code.lines.size();
    TRY(prepend_piece(session, mode, next, count - before, code));
    if (code.lines.size() == before) break;
    next.value = code.lines.front().address;
  }
  const std::size_t spare = code.lines.size() > count ? code.lines.size() - count : 0;
  code.lines.erase(code.lines.begin(), code.lines.begin() + static_cast<std::ptrdiff_t>(spare));
  std::vector<CodeLine> fillers;
  while (fillers.size() + code.lines.size() < count) {
    fillers.push_back(filler(next.value > 0 ? --next.value : 0));
  }
  code.lines.insert(code.lines.begin(), fillers.rbegin(), fillers.rend());
  return code;
}

} // namespace kdbg::dap
