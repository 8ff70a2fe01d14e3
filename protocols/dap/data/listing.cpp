// Listings of code for frames without source.
#include "protocols/dap/data/code.hpp"
#include "protocols/dap/data/memory.hpp"

#include <lldb/API/SBSymbol.h>

#include <algorithm>

namespace kdbg::dap {

namespace {

/// Code seldom changes, and a stack is asked for at every stop: lines are counted once.
Result<std::uint32_t> line_of(Session& session, std::uint64_t start, std::uint64_t pc) {
  if (start == pc) return 1U;
  const auto known = session.listed_lines.find(pc);
  if (known != session.listed_lines.end()) return known->second;
  const Bytes bytes = TRY(read_memory(session, Address{start}, pc - start));
  const auto before = decode(session, code_mode(session), start, bytes).size();
  const auto line = static_cast<std::uint32_t>(before) + 1;
  session.listed_lines.emplace(pc, line);
  return line;
}

} // namespace

Result<ListedPlace> listed_place(Session& session, std::uint64_t pc) {
  const std::uint64_t start = function_start(session, pc).value_or(pc);
  auto& all = session.listings;
  const auto found = std::find(all.begin(), all.end(), start);
  const auto number = static_cast<std::int32_t>(found - all.begin()) + 1;
  if (found == all.end()) all.push_back(start);
  const char* const name = session.target.ResolveLoadAddress(start).GetSymbol().GetName();
  return ListedPlace{number, TRY(line_of(session, start, pc)),
                     name ? name : fmt::format("{:#x}", start)};
}

Result<std::string> listing(Session& session, std::int32_t reference) {
  constexpr std::size_t without_symbols = 100; // lines
  if (reference <= 0 || static_cast<std::size_t>(reference) > session.listings.size()) {
    return Error{Code::bad_request,
                 fmt::format("sourceReference {} was never given out", reference)};
  }
  TRY(session.stopped());
  const std::uint64_t start = session.listings[static_cast<std::size_t>(reference) - 1];
  const CodeMode mode = code_mode(session);
  lldb::SBSymbol symbol = session.target.ResolveLoadAddress(start).GetSymbol();
  Instructions code;
  const std::uint64_t size = symbol.IsValid() ? symbol.GetSize() : 0;
  if (size > 0 && size <= largest_function) {
    code.buffers.push_back(TRY(read_memory(session, Address{start}, size)));
    code.lines = decode(session, mode, start, code.buffers.back());
  } else {
    code = TRY(code_from(session, mode, Address{start}, without_symbols));
  }
  std::string text;
  for (const CodeLine& line : code.lines) {
    text += fmt::format("{:#018x}  {}\n", line.address, line.text);
  }
  return text;
}

} // namespace kdbg::dap
