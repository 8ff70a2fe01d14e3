/// Points on data: dataBreakpointInfo, setDataBreakpoints.
#include "protocols/dap/data/expressions.hpp"
#include "protocols/dap/data/values.hpp"
#include "protocols/dap/requests/breakpoint_args.hpp"
#include "protocols/dap/requests/request_table.hpp"

#include <lldb/API/SBType.h>

namespace kdbg::dap {
namespace {

constexpr std::uint64_t longest = 4096; // bytes that one data breakpoint covers

/// A dataId is the address and the length: "0xffffffff80104040/8". It holds as long as the symbols
/// do.
std::string data_id(std::uint64_t address, std::uint64_t length) {
  return fmt::format("{:#x}/{}", address, length);
}

Json no_data(std::string why) {
  return {{"dataId", nullptr}, {"description", std::move(why)}};
}

Json data_at(std::uint64_t address, std::uint64_t length, const std::string& what) {
  if (length == 0 || length > longest) {
    return no_data(fmt::format("{}: {} bytes, of 1 to {}", what, length, longest));
  }
  return {{"dataId", data_id(address, length)},
          {"description", fmt::format("{} ({} bytes at {:#x})", what, length, address)},
          {"accessTypes", {"write", "readWrite"}},
          {"canPersist", true}};
}

struct DataBreakpointInfo {
  static constexpr std::string_view command = "dataBreakpointInfo";
  struct Args {
    std::string name;
    std::optional<std::int32_t> group, frame;
    std::optional<std::uint32_t> bytes;
    bool as_address = false;
    static constexpr auto fields() {
      return std::tuple{required("name", &Args::name), optional("variablesReference", &Args::group),
                        optional("frameId", &Args::frame), optional("bytes", &Args::bytes),
                        optional("asAddress", &Args::as_address)};
    }
  };
  using Body = Json;
  static constexpr bool acts = true;
  static void declare(Json& capabilities) {
    capabilities["supportsDataBreakpoints"] = true;
    capabilities["supportsDataBreakpointBytes"] = true;
  }
  static Result<Body> run(Session& session, const Args& args) {
    if (args.as_address) {
      return data_at(TRY(parse_address(args.name, "name")), args.bytes.value_or(8), args.name);
    }
    if (args.name.starts_with('$')) return no_data(fmt::format("{} is a register", args.name));
    TRY(session.stopped());
    std::uint64_t address = LLDB_INVALID_ADDRESS, size = 0;
    if (args.group.value_or(0) != 0) {
      lldb::SBValue value = TRY(session.variable(*args.group, args.name));
      address = address_of(value).value_or(LLDB_INVALID_ADDRESS);
      size = value.GetByteSize();
    } else if (lldb::SBValue global = session.target.FindFirstGlobalVariable(args.name.c_str());
               global.IsValid() && global.GetLoadAddress() != LLDB_INVALID_ADDRESS) {
      address = global.GetLoadAddress(); // also where its page is not mapped yet
      size = global.GetByteSize();
    } else {
      lldb::SBFrame frame = args.frame ? TRY(session.frame(*args.frame)) : session.selected_frame();
      const std::string pointer = fmt::format("&({})", args.name);
      if (auto value = evaluate_in(frame, pointer)) {
        address = value->GetValueAsUnsigned(LLDB_INVALID_ADDRESS);
        size = value->GetType().GetPointeeType().GetByteSize();
      }
    }
    if (address == LLDB_INVALID_ADDRESS) {
      return no_data(fmt::format("{} is not in memory", args.name));
    }
    return data_at(address, args.bytes ? *args.bytes : size, args.name);
  }
};

struct SetDataBreakpoints {
  static constexpr std::string_view command = "setDataBreakpoints";
  struct Breakpoint {
    std::string id, access = "write";
    std::string condition, hits;
    static constexpr auto fields() {
      using B = Breakpoint;
      return std::tuple{required("dataId", &B::id), optional("accessType", &B::access),
                        optional("condition", &B::condition), optional("hitCondition", &B::hits)};
    }
  };
  using Args = BreakpointList<Breakpoint>;
  using Body = Json;
  static Result<PointWish> wish_of(const Breakpoint& one) {
    const std::size_t slash = one.id.find('/');
    const auto address = parse_address(one.id.substr(0, slash), "dataId");
    const auto length =
        parse_address(slash == one.id.npos ? "" : one.id.substr(slash + 1), "dataId");
    if (!address || !length || *length == 0 || *length > longest) {
      return Error{Code::bad_request,
                   fmt::format("dataId {} is none of dataBreakpointInfo's", one.id)};
    }
    if (one.access != "write" && one.access != "readWrite") {
      return Error{Code::unsupported,
                   fmt::format("accessType must be write or readWrite, not {}", one.access)};
    }
    TRY(check_hits(one.hits));
    PointWish wish;
    wish.kind = PointKind::data;
    wish.address = *address;
    wish.length = *length;
    wish.access = one.access;
    wish.condition = one.condition;
    wish.hits = one.hits;
    return wish;
  }
  static Result<Body> run(Session& session, const Args& args) {
    std::vector<PointWish> wishes;
    for (const Breakpoint& one : args.breakpoints) {
      wishes.push_back(TRY(wish_of(one)));
    }
    return Json{{"breakpoints", session.points->replace(PointKind::data, "", wishes)}};
  }
};

} // namespace

std::span<const RequestRow> data_breakpoint_requests() {
  static constexpr RequestRow rows[] = {row<DataBreakpointInfo>(), row<SetDataBreakpoints>()};
  return rows;
}

} // namespace kdbg::dap
