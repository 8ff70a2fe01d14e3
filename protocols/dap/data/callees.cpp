#include "protocols/dap/data/code.hpp"
#include "protocols/dap/data/memory.hpp"
#include "protocols/dap/data/values.hpp"

#include <lldb/API/SBFunction.h>
#include <lldb/API/SBLineEntry.h>

#include <algorithm>
#include <array>

namespace kdbg::dap {
namespace {

/// Where the code of the line that holds `pc` ends, as far as it lies in one piece.
std::uint64_t end_of_line(Session& session, std::uint64_t pc) {
  const auto entry_at = [&](std::uint64_t address) {
    return session.target.ResolveLoadAddress(address).GetLineEntry();
  };
  lldb::SBLineEntry line = entry_at(pc);
  std::uint64_t end = pc;
  for (lldb::SBLineEntry next = line; next.IsValid() && next.GetLine() == line.GetLine() &&
                                      next.GetFileSpec() == line.GetFileSpec();
       next = entry_at(end)) {
    const std::uint64_t until = next.GetEndAddress().GetLoadAddress(session.target);
    if (until <= end || until - pc > largest_function) break;
    end = until;
  }
  return end;
}

/// Of a call whose target stands in the instruction; x86, arm64 and LoongArch.
std::optional<std::uint64_t> target_of_call(std::string_view text) {
  static constexpr std::array<std::string_view, 3> calls{"call", "callq", "bl"};
  const std::size_t space = text.find(' ');
  if (space == text.npos) return std::nullopt;
  const std::string_view word = text.substr(0, space);
  if (std::find(calls.begin(), calls.end(), word) == calls.end()) return std::nullopt;
  return parse_number(trimmed(text.substr(space)));
}

} // namespace

Result<std::vector<std::string>> callees_of_line(Session& session, const lldb::SBFrame& frame) {
  std::vector<std::string> names;
  const std::uint64_t pc = frame.GetPC();
  const std::uint64_t size = end_of_line(session, pc) - pc;
  const Bytes bytes = TRY(read_memory(session, Address{pc}, size));
  for (const CodeLine& line : decode(session, code_mode(session), pc, bytes)) {
    const auto target = line.valid ? target_of_call(line.text) : std::nullopt;
    if (!target) continue;
    // LLDB steps out again of what has no lines
    lldb::SBFunction callee = session.target.ResolveLoadAddress(*target).GetFunction();
    std::string name = callee.IsValid() ? text_of(callee.GetName()) : "";
    const bool told = std::find(names.begin(), names.end(), name) != names.end();
    if (!name.empty() && !told) names.push_back(std::move(name));
  }
  return names;
}

} // namespace kdbg::dap
