// Nothing of the host is served: no shell, no files. Each kind of packet has its own way to say so.
#include "protocols/gdb/text.hpp"
#include "protocols/platform/desk.hpp"

namespace kdbg::platform {
namespace {

using gdb::Answer;
using gdb::say;

/// F,STATUS,SIGNAL,OUTPUT: what lldb shows its user. 126: found, and may not be run.
Answer no_shell(Desk&, std::string_view) {
  return say("F,0000007e,00000000,kvmdbg platform serves machines, and nothing of their host\n");
}

/// An errno in hexadecimal: EPERM.
Answer no_folder(Desk&, std::string_view) {
  return say("F1");
}

Answer no_file(Desk&, std::string_view) {
  return say("F-1,1");
}

constexpr auto prefix = Row::Match::prefix;
constexpr Row rows[] = {
    {"qPlatform_shell:", prefix, &no_shell},
    {"qPlatform_", prefix, &no_folder},
    {"vFile:", prefix, &no_file},
};

} // namespace

Table refused_packets() {
  return rows;
}

} // namespace kdbg::platform
