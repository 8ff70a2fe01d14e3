#include "protocols/gdb/protocol.hpp"

#include "protocols/gdb/front_end.hpp"
#include "protocols/gdb/jkvm/requests.hpp"
#include "protocols/gdb/memory.hpp"
#include "protocols/gdb/monitor.hpp"
#include "protocols/gdb/osdata.hpp"
#include "protocols/gdb/points.hpp"
#include "protocols/gdb/queries.hpp"
#include "protocols/gdb/registers.hpp"
#include "protocols/gdb/restart.hpp"
#include "protocols/gdb/resume.hpp"
#include "protocols/gdb/scan.hpp"
#include "protocols/gdb/settings.hpp"
#include "protocols/gdb/stop_reply.hpp"
#include "protocols/gdb/symbols.hpp"
#include "protocols/gdb/xfer.hpp"

namespace kdbg::gdb {

bool speaks(std::byte first) {
  constexpr std::string_view openers = "+-$%\x03";
  return openers.find(static_cast<char>(first)) != std::string_view::npos;
}

std::span<const Table> tables() {
  static const Table all[] = {
      register_packets(), memory_packets(),  scan_packets(),    point_packets(),  resume_packets(),
      restart_packets(),  query_packets(),   setting_packets(), symbol_packets(), xfer_packets(),
      osdata_packets(),   monitor_packets(), jkvm_packets()};
  return all;
}

const Dialect& dialect() {
  static const Dialect plain{tables(), &render_stop, &refuse_resume};
  return plain;
}

Protocol protocol(const Settings& settings, const Dialect& with) {
  return {"gdb", &speaks, [settings, &with](Session& session, Sink sink) {
            return std::make_unique<RspFrontEnd>(session, std::move(sink), with, settings);
          }};
}

} // namespace kdbg::gdb
