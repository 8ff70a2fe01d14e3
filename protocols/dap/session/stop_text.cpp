#include "protocols/dap/session/stop_text.hpp"

#include <array>

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

/// The server's kinds of stops: docs/jkvm.md.
std::string_view word_for(std::string_view kind) {
  struct Pair {
    std::string_view kind, word;
  };
  static constexpr std::array<Pair, 6> pairs{{{"entry", "entry"},
                                              {"step", "step"},
                                              {"point", "breakpoint"},
                                              {"watch", "data breakpoint"},
                                              {"catch", "exception"},
                                              {"crash", "exception"}}};
  for (const Pair& pair : pairs) {
    if (pair.kind == kind) return pair.word;
  }
  return "pause";
}

/// The vCPU to look at, null where the news says nothing of one.
Json first_vcpu(const Json& news) {
  const auto vcpus = news.find("vcpus");
  return vcpus == news.end() || vcpus->empty() ? Json() : vcpus->front();
}

/// Editors show the description beside the thread's name, or instead of it where both do not fit.
/// What kind of point it was and at which address is not worth that: the reason says enough.
void explain(Json& body, const std::string& why) {
  const std::string& reason = body["reason"].get_ref<const std::string&>();
  const bool at_point = reason == "breakpoint" || reason == "data breakpoint";
  if (!why.empty()) body[at_point ? "text" : "description"] = why;
}

} // namespace

std::string reasons_of(const Json& vcpu) {
  std::string text;
  for (const Json& reason : vcpu.value("reasons", Json::array())) {
    text += (text.empty() ? "" : ", ") + reason.get<std::string>();
  }
  return text;
}

lldb::SBThread thread_to_look_at(lldb::SBProcess process) {
  lldb::SBThread selected = process.GetSelectedThread();
  if (has_reason(selected)) return selected;
  for (std::uint32_t i = 0; i < process.GetNumThreads(); ++i) {
    lldb::SBThread thread = process.GetThreadAtIndex(i);
    if (has_reason(thread)) return thread;
  }
  return selected;
}

Json stopped_body(lldb::SBThread thread, bool asked, const Json& news) {
  const lldb::StopReason reason = thread.GetStopReason();
  const Json vcpu = news.is_null() ? Json() : first_vcpu(news);
  Json body = {{"reason", word_for(reason)},
               {"threadId", thread.GetThreadID()},
               {"allThreadsStopped", true}};
  if (reason == lldb::eStopReasonSignal && !vcpu.is_null()) {
    body["reason"] = word_for(vcpu.value("kind", ""));
    explain(body, reasons_of(vcpu));
    return body;
  }
  if (asked && reason == lldb::eStopReasonSignal) {
    body["reason"] = "pause";
    return body;
  }
  char text[256] = "";
  thread.GetStopDescription(text, sizeof text);
  explain(body, text);
  return body;
}

Json stopped_body(const Json& news, bool asked) {
  const Json vcpu = first_vcpu(news);
  Json body = {{"reason", "pause"}, {"threadId", 1}, {"allThreadsStopped", true}};
  if (!vcpu.is_null()) {
    body["reason"] = asked ? "pause" : word_for(vcpu.value("kind", ""));
    body["threadId"] = vcpu.value("vcpu", 0) + 1;
    explain(body, reasons_of(vcpu));
  }
  if (news.contains("byName")) {
    const std::string before = body.contains("text") ? body.value("text", "") + ", " : "";
    body["text"] = before + "resumed by " + news.value("byName", "");
  }
  return body;
}

bool is_entry(const Json& news) {
  const Json vcpu = first_vcpu(news);
  return !vcpu.is_null() && vcpu.value("kind", "") == "entry";
}

std::uint64_t hit_address(const Json& news) {
  if (news.is_null()) return 0;
  const Json vcpu = first_vcpu(news);
  if (vcpu.is_null() || !vcpu.contains("address")) return 0;
  return std::stoull(vcpu["address"].get<std::string>(), nullptr, 16);
}

} // namespace kdbg::dap
