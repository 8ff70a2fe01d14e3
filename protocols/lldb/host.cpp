#include "protocols/lldb/host.hpp"

#include "protocols/gdb/conversation.hpp"
#include "protocols/gdb/text.hpp"

#include <fmt/format.h>

namespace kdbg::lldb {
namespace {

using gdb::Answer, gdb::Conversation, gdb::Row, gdb::say, gdb::say_ok;

/// An unknown OS makes lldb load sections where the file says; a Linux one makes it ask qOffsets.
std::string triple(const Conversation& c) {
  const ArchInfo& arch = c.target().arch();
  if (!c.settings.linux_guest) return std::string(arch.triple);
  return fmt::format("{}-unknown-linux-gnu", arch.name);
}

/// No addressing_bits: with five levels of tables lldb would cut kernel addresses.
Answer host_info(Conversation& c, std::string_view) {
  constexpr unsigned seconds = 30; ///< a machine that swaps, or the host that does
  const bool before = c.target().capabilities().watch_stops_before;
  return say(fmt::format("triple:{};ptrsize:8;endian:little;vm-page-size:4096;"
                         "watchpoint_exceptions_received:{};default_packet_timeout:{};",
                         gdb::hex_of(triple(c)), before ? "before" : "after", seconds));
}

Answer process_info(Conversation& c, std::string_view) {
  return say(fmt::format("pid:{:x};parent-pid:1;triple:{};ptrsize:8;endian:little;name:{};",
                         c.settings.process, gdb::hex_of(triple(c)), gdb::hex_of(c.settings.name)));
}

Answer version(Conversation& c, std::string_view) {
  return say(fmt::format("name:kvmdbg;version:{};", c.settings.version));
}

/// A machine has no folder; its files are nobody's business.
Answer working_folder(Conversation&, std::string_view) {
  return say(gdb::hex_of("/"));
}

Answer take_error_strings(Conversation& c, std::string_view) {
  c.features.error_strings = true;
  return say_ok();
}

Answer no_plugins(Conversation&, std::string_view) {
  return say("[]");
}

constexpr Row rows[] = {
    {"qHostInfo", Row::Match::exact, &host_info},
    {"qProcessInfo", Row::Match::exact, &process_info},
    {"qGDBServerVersion", Row::Match::exact, &version},
    {"qGetWorkingDir", Row::Match::exact, &working_folder},
    {"QEnableErrorStrings", Row::Match::exact, &take_error_strings},
    {"qStructuredDataPlugins", Row::Match::exact, &no_plugins},
};

} // namespace

gdb::Table host_packets() {
  return rows;
}

} // namespace kdbg::lldb
