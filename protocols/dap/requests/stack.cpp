/// Where the guest is: threads, stackTrace.
#include "protocols/dap/data/code.hpp"
#include "protocols/dap/requests/request_table.hpp"

#include <lldb/API/SBFileSpec.h>
#include <lldb/API/SBLineEntry.h>

namespace kdbg::dap {
namespace {

struct Threads {
  static constexpr std::string_view command = "threads";
  using Args = Nothing;
  struct Thread {
    std::uint64_t id;
    std::string name;
    static constexpr auto fields() {
      return std::tuple{required("id", &Thread::id), required("name", &Thread::name)};
    }
  };
  struct Body {
    std::vector<Thread> threads;
    static constexpr auto fields() { return std::tuple{required("threads", &Body::threads)}; }
  };
  static Result<Body> run(Session& session, const Args&) {
    const Json vcpus = TRY(session.control->ask("vcpus"));
    Body body;
    for (const Json& one : vcpus["vcpus"]) {
      const auto number = one["vcpu"].get<std::uint64_t>();
      body.threads.push_back({number + 1, fmt::format("vCPU {}", number)});
    }
    return body;
  }
};

struct Frame {
  std::int32_t id = 0;
  std::string name;
  std::optional<Json> source;
  std::uint32_t line = 0, column = 0;
  std::string pc;
  static constexpr auto fields() {
    return std::tuple{
        required("id", &Frame::id),         required("name", &Frame::name),
        optional("source", &Frame::source), required("line", &Frame::line),
        required("column", &Frame::column), required("instructionPointerReference", &Frame::pc)};
  }
};

Frame describe(Session& session, lldb::SBThread& thread, lldb::SBFrame frame) {
  Frame made;
  made.id = session.frames.add({thread.GetThreadID(), frame.GetFrameID()});
  const char* const name = frame.GetFunctionName();
  made.pc = fmt::format("{:#x}", linear_pc(frame));
  made.name = name ? name : made.pc;
  const lldb::SBLineEntry line = frame.GetLineEntry();
  if (line.IsValid()) {
    char path[4096] = "";
    line.GetFileSpec().GetPath(path, sizeof path);
    made.source = Json{{"name", line.GetFileSpec().GetFilename()}, {"path", path}};
    made.line = line.GetLine();
    made.column = line.GetColumn();
  } else if (auto place = listed_place(session, linear_pc(frame))) {
    made.source = Json{{"name", place->name}, {"sourceReference", place->reference}};
    made.line = place->line;
    made.column = 1;
  }
  return made;
}

struct StackTrace {
  static constexpr std::string_view command = "stackTrace";
  struct Args {
    std::int32_t thread = 0;
    std::uint32_t start = 0, levels = 0;
    static constexpr auto fields() {
      return std::tuple{required("threadId", &Args::thread), optional("startFrame", &Args::start),
                        optional("levels", &Args::levels)};
    }
  };
  struct Body {
    std::vector<Frame> frames;
    std::optional<std::uint32_t> total;
    static constexpr auto fields() {
      return std::tuple{required("stackFrames", &Body::frames),
                        optional("totalFrames", &Body::total)};
    }
  };
  static Result<Body> run(Session& session, const Args& args) {
    lldb::SBThread thread = TRY(session.thread(args.thread));
    constexpr std::uint32_t most = 1000;
    const std::uint32_t levels = args.levels == 0 ? most : std::min(args.levels, most);
    Body body;
    for (std::uint32_t i = args.start; i - args.start < levels; ++i) {
      const lldb::SBFrame frame = thread.GetFrameAtIndex(i);
      if (!frame.IsValid()) {
        body.total = i;
        break;
      }
      body.frames.push_back(describe(session, thread, frame));
    }
    return body;
  }
};

} // namespace

std::span<const RequestRow> stack_requests() {
  static constexpr RequestRow rows[] = {row<Threads>(), row<StackTrace>()};
  return rows;
}

} // namespace kdbg::dap
