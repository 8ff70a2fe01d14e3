#include "protocols/lldb/threads.hpp"

#include "protocols/gdb/text.hpp"
#include "protocols/lldb/stop_reply.hpp"

#include <nlohmann/json.hpp>

#include <fmt/format.h>

namespace kdbg::lldb {
namespace {

using gdb::Answer, gdb::Conversation, gdb::Row, gdb::say, gdb::say_ok;

/// Its stop replies are lldb's from now on.
Answer list_in_stops(Conversation& c, std::string_view) {
  if (!std::exchange(c.features.lldb, true)) c.session.rename("lldb");
  return say_ok();
}

Answer take_suffix(Conversation&, std::string_view) {
  return say_ok();
}

Status need_stop(const Conversation& c) {
  if (!c.session.running()) return Done{};
  return Error{Code::running, "the guest is running; interrupt it first"};
}

Answer all_threads(Conversation& c, std::string_view) {
  TRY(need_stop(c));
  auto list = stop_infos(c);
  for (std::size_t i = 0; i < list.size(); ++i) {
    list[i]["registers"] = registers_of(c, static_cast<VcpuId>(i));
  }
  return say(list.dump());
}

Result<VcpuId> one_vcpu(const Conversation& c, std::string_view text) {
  const gdb::ThreadRef thread = TRY(gdb::parse_thread(c, text));
  if (thread.kind == gdb::ThreadRef::Kind::one) return thread.vcpu;
  return Error{Code::bad_request, fmt::format("\"{}\" does not name one thread", text)};
}

Answer stop_of_one(Conversation& c, std::string_view arguments) {
  TRY(need_stop(c));
  return say(render_vcpu_stop(c, TRY(one_vcpu(c, arguments))));
}

constexpr Row rows[] = {
    {"QListThreadsInStopReply", Row::Match::exact, &list_in_stops},
    {"QThreadSuffixSupported", Row::Match::exact, &take_suffix},
    {"jThreadsInfo", Row::Match::exact, &all_threads, Row::Reply::binary},
    {"qThreadStopInfo", Row::Match::prefix, &stop_of_one},
};

} // namespace

gdb::Table thread_packets() {
  return rows;
}

} // namespace kdbg::lldb
