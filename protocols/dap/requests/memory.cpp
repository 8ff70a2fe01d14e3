/// Memory: readMemory, writeMemory.
#include "protocols/dap/data/memory.hpp"

#include "protocols/dap/message/address.hpp"
#include "protocols/dap/message/base64.hpp"
#include "protocols/dap/requests/request_table.hpp"

namespace kdbg::dap {
namespace {

/// References that are remembered for `memory` events; a client that invents more has no event.
constexpr std::size_t max_references = 1000;

void remember(Session& session, const std::string& reference, const ReadSpan& span) {
  auto& all = session.memory_read;
  const auto found = all.find(reference);
  if (found == all.end()) {
    if (all.size() < max_references) all.emplace(reference, span);
    return;
  }
  found->second.first = std::min(found->second.first, span.first);
  found->second.end = std::max(found->second.end, span.end);
}

struct ReadMemory {
  static constexpr std::string_view command = "readMemory";
  struct Args {
    std::string reference;
    std::int64_t offset = 0;
    std::uint64_t count = 0;
    static constexpr auto fields() {
      return std::tuple{required("memoryReference", &Args::reference),
                        optional("offset", &Args::offset), required("count", &Args::count)};
    }
  };
  struct Body {
    std::string address;
    std::optional<std::uint64_t> unreadable;
    std::optional<std::string> data;
    static constexpr auto fields() {
      return std::tuple{required("address", &Body::address),
                        optional("unreadableBytes", &Body::unreadable),
                        optional("data", &Body::data)};
    }
  };
  static void declare(Json& capabilities) { capabilities["supportsReadMemoryRequest"] = true; }
  static Result<Body> run(Session& session, const Args& args) {
    if (args.count > max_read) {
      return Error{Code::bad_request,
                   fmt::format("count {} is more than {} bytes", args.count, max_read)};
    }
    const Address base = TRY(parse_reference(args.reference, "memoryReference"));
    const Address at = TRY(moved(base, args.offset, "offset"));
    const Bytes bytes = TRY(read_memory(session, at, args.count));
    const auto end = args.offset + static_cast<std::int64_t>(args.count);
    remember(session, args.reference, {args.offset, end});
    Body body;
    body.address = fmt::format("{:#x}", at.value);
    if (!bytes.empty()) body.data = to_base64(bytes);
    if (bytes.size() < args.count) {
      body.unreadable =
          TRY(hole_size(session, {at.value + bytes.size(), at.space}, args.count - bytes.size()));
    }
    return body;
  }
};

struct WriteMemory {
  static constexpr std::string_view command = "writeMemory";
  struct Args {
    std::string reference, data;
    std::int64_t offset = 0;
    bool partial = false;
    static constexpr auto fields() {
      return std::tuple{required("memoryReference", &Args::reference),
                        optional("offset", &Args::offset), optional("allowPartial", &Args::partial),
                        required("data", &Args::data)};
    }
  };
  struct Body {
    std::uint64_t written = 0;
    static constexpr auto fields() { return std::tuple{required("bytesWritten", &Body::written)}; }
  };
  static constexpr bool acts = true;
  static void declare(Json& capabilities) { capabilities["supportsWriteMemoryRequest"] = true; }
  static Result<Body> run(Session& session, const Args& args) {
    const auto bytes = from_base64(args.data);
    if (!bytes) return Error{Code::bad_request, "data is no base64"};
    const Address base = TRY(parse_reference(args.reference, "memoryReference"));
    const Address at = TRY(moved(base, args.offset, "offset"));
    const std::size_t there = TRY(read_memory(session, at, bytes->size())).size();
    if (there < bytes->size() && (!args.partial || there == 0)) {
      return Error{Code::memory_fault,
                   fmt::format("no memory at {:#x}: nothing is written", at.value + there)};
    }
    TRY(write_memory(session, at, ByteView(*bytes).first(there)));
    session.written = MemoryChange{at, there};
    return Body{there};
  }
  static void after_reply(Session& session) { tell_written(session); }
};

} // namespace

std::span<const RequestRow> memory_requests() {
  static constexpr RequestRow rows[] = {row<ReadMemory>(), row<WriteMemory>()};
  return rows;
}

} // namespace kdbg::dap
