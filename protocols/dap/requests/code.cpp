/// Code: disassemble.
#include "protocols/dap/data/code.hpp"

#include "protocols/dap/message/address.hpp"
#include "protocols/dap/requests/request_table.hpp"

#include <lldb/API/SBFileSpec.h>
#include <lldb/API/SBLineEntry.h>
#include <lldb/API/SBSymbolContext.h>

namespace kdbg::dap {
namespace {

struct Instruction {
  std::string address, instruction;
  std::optional<std::string> bytes, symbol, hint;
  std::optional<Json> location;
  std::optional<std::uint32_t> line, column;
  static constexpr auto fields() {
    using I = Instruction;
    return std::tuple{required("address", &I::address),
                      required("instruction", &I::instruction),
                      optional("instructionBytes", &I::bytes),
                      optional("symbol", &I::symbol),
                      optional("presentationHint", &I::hint),
                      optional("location", &I::location),
                      optional("line", &I::line),
                      optional("column", &I::column)};
  }
};

std::string spaced(ByteView bytes) {
  std::string text;
  for (const std::byte one : bytes) {
    text += fmt::format("{}{:02x}", text.empty() ? "" : " ", std::to_integer<unsigned>(one));
  }
  return text;
}

/// Line and source stand where they change; `last` is the line before.
void locate(Session& session, std::uint64_t address, bool symbols, Json& last, Instruction& row) {
  constexpr std::uint32_t what = lldb::eSymbolContextSymbol | lldb::eSymbolContextLineEntry;
  lldb::SBAddress place = session.target.ResolveLoadAddress(address);
  lldb::SBSymbolContext context = session.target.ResolveSymbolContextForAddress(place, what);
  const char* const name = context.GetSymbol().GetDisplayName();
  if (name && symbols) row.symbol = name;
  const lldb::SBLineEntry line = context.GetLineEntry();
  if (!line.IsValid() || line.GetLine() == 0) return;
  char path[4096] = "";
  line.GetFileSpec().GetPath(path, sizeof path);
  const Json here = {path, line.GetLine(), line.GetColumn()};
  if (here == last) return;
  last = here;
  row.location = Json{{"name", line.GetFileSpec().GetFilename()},
                      {"path", session.points->sources().here(path)}};
  row.line = line.GetLine();
  if (line.GetColumn() > 0) row.column = line.GetColumn();
}

Instruction as_row(const CodeLine& line) {
  Instruction row;
  row.address = fmt::format("{:#x}", line.address);
  row.instruction = line.text;
  if (!line.bytes.empty()) row.bytes = spaced(line.bytes);
  if (!line.valid) row.hint = "invalid";
  return row;
}

struct Disassemble {
  static constexpr std::string_view command = "disassemble";
  struct Args {
    std::string reference;
    std::int64_t offset = 0;
    std::int32_t first = 0;
    std::uint32_t count = 0;
    bool symbols = false;
    static constexpr auto fields() {
      return std::tuple{
          required("memoryReference", &Args::reference), optional("offset", &Args::offset),
          optional("instructionOffset", &Args::first), required("instructionCount", &Args::count),
          optional("resolveSymbols", &Args::symbols)};
    }
  };
  struct Body {
    std::vector<Instruction> instructions;
    static constexpr auto fields() {
      return std::tuple{required("instructions", &Body::instructions)};
    }
  };
  static void declare(Json& capabilities) { capabilities["supportsDisassembleRequest"] = true; }
  static Result<Body> run(Session& session, const Args& args) {
    constexpr std::int32_t most = 10000;
    if (args.count > most) {
      return Error{Code::bad_request,
                   fmt::format("instructionCount {} is more than {}", args.count, most)};
    }
    if (args.first > most || args.first < -most) {
      return Error{Code::bad_request, fmt::format("instructionOffset must be from -{0} to {0}, "
                                                  "not {1}",
                                                  most, args.first)};
    }
    const Address base = TRY(parse_reference(args.reference, "memoryReference"));
    const Address at = TRY(moved(base, args.offset, "offset"));
    const bool seen = at.space.kind == Space::Kind::current;
    if (seen) TRY(session.stopped());
    return rows(session, args, at);
  }

private:
  static Result<Body> rows(Session& session, const Args& args, const Address& at) {
    const CodeMode mode = code_mode(session);
    const auto before = static_cast<std::size_t>(std::max(0, -args.first));
    const auto skipped = static_cast<std::size_t>(std::max(0, args.first));
    const std::size_t above = std::min<std::size_t>(before, args.count);
    const Instructions earlier = TRY(code_before(session, mode, at, before));
    const Instructions later = TRY(code_from(session, mode, at, skipped + args.count - above));
    Body body;
    Json last;
    const auto add = [&](const CodeLine& line) {
      Instruction row = as_row(line);
      if (at.space.kind == Space::Kind::current && !line.bytes.empty()) {
        locate(session, line.address, args.symbols, last, row);
      }
      body.instructions.push_back(std::move(row));
    };
    for (std::size_t i = 0; i < above; ++i) {
      add(earlier.lines[i]);
    }
    for (std::size_t i = skipped; i < later.lines.size(); ++i) {
      add(later.lines[i]);
    }
    return body;
  }
};

} // namespace

std::span<const RequestRow> code_requests() {
  static constexpr RequestRow rows[] = {row<Disassemble>()};
  return rows;
}

} // namespace kdbg::dap
