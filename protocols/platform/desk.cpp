#include "protocols/platform/desk.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace kdbg::platform {

std::string Desk::tell_lost(std::uint64_t pid) const {
  constexpr int killed = 9; // a signal's number
  const auto text = fmt::format("X{:02x}", killed);
  return features.multiprocess ? text + fmt::format(";process:{:x}", pid) : text;
}

void Desk::agree(std::string_view kind, std::string_view packet) {
  for (auto& [known, said] : agreed) {
    if (known == kind) {
      said = packet;
      return;
    }
  }
  agreed.emplace_back(kind, packet);
}

gdb::Answer Desk::ask(std::function<gdb::Answer(std::vector<MachineInfo>)> then) {
  question = machines.list([this, then = std::move(then)](std::vector<MachineInfo> found) {
    answer_late(then(std::move(found)));
  });
  return gdb::say_nothing();
}

const Row* find_row(std::string_view packet) {
  const Row* best = nullptr;
  for (const Table table : {list_packets(), attach_packets(), refused_packets()}) {
    for (const Row& row : table) {
      if (row.matches(packet) && (!best || row.prefix.size() > best->prefix.size())) best = &row;
    }
  }
  return best;
}

} // namespace kdbg::platform
