#include "protocols/gdb/queries.hpp"

#include "protocols/gdb/codec.hpp"
#include "protocols/gdb/conversation.hpp"
#include "protocols/gdb/kernel.hpp"
#include "protocols/gdb/text.hpp"
#include "protocols/gdb/threads.hpp"

#include <fmt/format.h>

namespace kdbg::gdb {

Features parse_features(std::string_view text) {
  Features features;
  Scanner scanner(text);
  while (!scanner.done()) {
    const std::string_view word = scanner.until(';');
    if (word == "multiprocess+") features.multiprocess = true;
    if (word == "swbreak+") features.swbreak = true;
    if (word == "hwbreak+") features.hwbreak = true;
    if (word == "error-message+") features.error_text = true;
  }
  return features;
}

/// It names registers as gdb does, but never says vContSupported, which gdb 7.11 and later do.
bool is_lldb(std::string_view features) {
  return features.find("xmlRegisters=") != std::string_view::npos &&
         features.find("vContSupported+") == std::string_view::npos;
}

std::string render_supported(const Features& features, bool to_lldb) {
  std::string text = fmt::format("PacketSize={:x};QStartNoAckMode+;vContSupported+;"
                                 "qXfer:features:read+;qXfer:threads:read+;qXfer:osdata:read+;"
                                 "QPassSignals+;QProgramSignals+;QThreadEvents+;binary-upload+;"
                                 "ConditionalBreakpoints+;BreakpointCommands+",
                                 max_payload);
  if (features.multiprocess) text += ";multiprocess+";
  if (features.swbreak) text += ";swbreak+";
  if (features.hwbreak) text += ";hwbreak+";
  if (features.error_text) text += ";error-message+";
  if (to_lldb) text += ";QThreadSuffixSupported+;QListThreadsInStopReply+;qEcho+;MultiMemRead+";
  return text;
}

namespace {

/// Nothing is promised that this host cannot do. No memory-map: gdb would refuse every address
/// outside it, and what is mapped changes with the page tables.
Answer supported(Conversation& c, std::string_view arguments) {
  c.features = parse_features(arguments);
  const Capabilities& can = c.target().capabilities();
  // A software point may live in a hardware slot, so either will do.
  c.features.swbreak = c.features.swbreak && (can.software_points || can.hardware_slots > 0);
  c.features.hwbreak = c.features.hwbreak && can.hardware_slots > 0;
  return say(render_supported(c.features, is_lldb(arguments)));
}

Answer supported_bare(Conversation& c, std::string_view) {
  return supported(c, {});
}

Answer stop_acks(Conversation& c, std::string_view) {
  c.acks = false;
  return say_ok();
}

Answer list_threads(Conversation& c, std::string_view) {
  std::string text = "m";
  for (std::size_t i = 0; i < c.target().vcpu_count(); ++i) {
    text += (i == 0 ? "" : ",") + render_thread(c, static_cast<VcpuId>(i));
  }
  return say(std::move(text));
}

Answer end_of_threads(Conversation&, std::string_view) {
  return say("l");
}

Answer thread_info(Conversation& c, std::string_view arguments) {
  const ThreadRef thread = TRY(parse_thread(c, arguments));
  const VcpuId vcpu = thread.kind == ThreadRef::Kind::one ? thread.vcpu : c.general;
  const std::string text = TRY(describe_thread(c, vcpu));
  return say(hex_of(text));
}

Answer thread_alive(Conversation& c, std::string_view arguments) {
  TRY(parse_thread(c, arguments));
  return say_ok();
}

Answer current_thread(Conversation& c, std::string_view) {
  return say("QC" + render_thread(c, c.general));
}

Answer select_general(Conversation& c, std::string_view arguments) {
  const ThreadRef thread = TRY(parse_thread(c, arguments));
  if (thread.kind == ThreadRef::Kind::one) c.general = thread.vcpu;
  return say_ok();
}

Answer select_moving(Conversation& c, std::string_view arguments) {
  c.moving = TRY(parse_thread(c, arguments));
  return say_ok();
}

/// A machine is always attached to, so that a client's quit detaches from it.
Answer attached(Conversation&, std::string_view) {
  return say("1");
}

/// Where the guest's image was moved to. gdb moves only .text, .data and .bss by Text, so it is
/// told where the first segment is; lldb adds what it is told to every section.
Answer offsets(Conversation& c, std::string_view) {
  const std::uint64_t slide = kernel_slide(c).value_or(0);
  if (slide != 0 && !c.features.lldb) {
    return say(fmt::format("TextSeg={:x}", kernel_link_address + slide));
  }
  return say(fmt::format("Text={0:x};Data={0:x};Bss={0:x}", slide));
}

constexpr Row rows[] = {
    {"qSupported", Row::Match::exact, &supported_bare},
    {"qSupported:", Row::Match::prefix, &supported},
    {"QStartNoAckMode", Row::Match::exact, &stop_acks},
    {"qfThreadInfo", Row::Match::exact, &list_threads},
    {"qsThreadInfo", Row::Match::exact, &end_of_threads},
    {"qThreadExtraInfo,", Row::Match::prefix, &thread_info},
    {"T", Row::Match::prefix, &thread_alive},
    {"qC", Row::Match::exact, &current_thread},
    {"Hg", Row::Match::prefix, &select_general},
    {"Hc", Row::Match::prefix, &select_moving},
    {"qAttached", Row::Match::exact, &attached},
    {"qAttached:", Row::Match::prefix, &attached},
    {"qOffsets", Row::Match::exact, &offsets},
};

} // namespace

Table query_packets() {
  return rows;
}

} // namespace kdbg::gdb
