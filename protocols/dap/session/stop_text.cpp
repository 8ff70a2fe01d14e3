#include "protocols/dap/session/stop_text.hpp"

namespace kdbg::dap {
namespace {

bool has_reason(lldb::SBThread& thread) {
  const lldb::StopReason reason = thread.GetStopReason();
  return reason != lldb::eStopReasonNone && reason != lldb::eStopReasonInvalid;
}

std::string_view word_for(lldb::StopReason reason) {
  switch (reason) {
  case lldb::eStopReasonTrace:
  case lldb::eStopReasonPlanComplete:
    return "step";
  case lldb::eStopReasonBreakpoint:
    return "breakpoint";
  case lldb::eStopReasonWatchpoint:
    return "data breakpoint";
  case lldb::eStopReasonException:
    return "exception";
  default:
    return "pause";
  }
}

Json hit_points(lldb::SBThread& thread) {
  Json ids = Json::array();
  for (std::size_t i = 0; i + 1 < thread.GetStopReasonDataCount(); i += 2) {
    ids.push_back(thread.GetStopReasonDataAtIndex(static_cast<std::uint32_t>(i)));
  }
  return ids;
}

} // namespace

lldb::SBThread thread_to_look_at(lldb::SBProcess process) {
  lldb::SBThread selected = process.GetSelectedThread();
  if (has_reason(selected)) return selected;
  for (std::uint32_t i = 0; i < process.GetNumThreads(); ++i) {
    lldb::SBThread thread = process.GetThreadAtIndex(i);
    if (has_reason(thread)) return thread;
  }
  return selected;
}

Json stopped_body(lldb::SBThread thread, bool asked) {
  const lldb::StopReason reason = thread.GetStopReason();
  Json body = {{"reason", asked ? "pause" : word_for(reason)},
               {"threadId", thread.GetThreadID()},
               {"allThreadsStopped", true}};
  char text[256] = "";
  thread.GetStopDescription(text, sizeof text);
  if (*text) body["description"] = text;
  if (reason == lldb::eStopReasonBreakpoint) body["hitBreakpointIds"] = hit_points(thread);
  return body;
}

} // namespace kdbg::dap
