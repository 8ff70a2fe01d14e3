#include "protocols/lldb/protocol.hpp"

#include "protocols/gdb/protocol.hpp"
#include "protocols/lldb/host.hpp"
#include "protocols/lldb/lifecycle.hpp"
#include "protocols/lldb/memory.hpp"
#include "protocols/lldb/registers.hpp"
#include "protocols/lldb/stop_reply.hpp"
#include "protocols/lldb/threads.hpp"

namespace kdbg::lldb {

const gdb::Dialect& dialect() {
  static const std::vector<gdb::Table> tables = [] {
    std::vector<gdb::Table> all{host_packets(), lifecycle_packets(), memory_packets(),
                                register_packets(), thread_packets()};
    const auto plain = gdb::tables();
    all.insert(all.end(), plain.begin(), plain.end());
    return all;
  }();
  static const gdb::Dialect both{tables, &render_stop, &refuse_resume};
  return both;
}

Protocol protocol(const gdb::Settings& settings) {
  return gdb::protocol(settings, dialect());
}

} // namespace kdbg::lldb
