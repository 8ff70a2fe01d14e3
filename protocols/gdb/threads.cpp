#include "protocols/gdb/threads.hpp"

#include "adapter/commands.hpp"
#include "protocols/gdb/stop_reply.hpp"
#include "protocols/gdb/target_xml.hpp"

#include <fmt/format.h>

namespace kdbg::gdb {

Result<std::string> describe_thread(const Conversation& conversation, VcpuId vcpu) {
  if (conversation.session.running()) return std::string("running");
  std::string text = TRY(conversation.session.execute(DescribeVcpu{vcpu}));
  const Stop& stop = conversation.target().stop();
  if (vcpu == stop.vcpus.front().vcpu) return text;
  const std::string reasons = render_reasons(stop, vcpu);
  if (!reasons.empty()) text += (text.empty() ? "" : "; ") + ("also stopped: " + reasons);
  return text;
}

std::string render_threads(const Conversation& conversation) {
  std::string text = "<?xml version=\"1.0\"?>\n<threads>\n";
  for (std::size_t i = 0; i < conversation.target().vcpu_count(); ++i) {
    const auto vcpu = static_cast<VcpuId>(i);
    const auto extra = describe_thread(conversation, vcpu);
    text += fmt::format("<thread id=\"{}\" core=\"{}\" name=\"vCPU {}\">{}</thread>\n",
                        render_thread(conversation, vcpu), i, i,
                        escape_xml(extra ? *extra : extra.error().what));
  }
  return text + "</threads>\n";
}

} // namespace kdbg::gdb
