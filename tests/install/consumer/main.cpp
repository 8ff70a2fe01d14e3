// Takes something from each library; what it prints is checked.
#include "adapter/stop.hpp"
#include "kvm/arch/x86_64/arch.hpp"
#include "kvm/engine.hpp"
#include "protocols/gdb/codec.hpp"
#include "protocols/gdb/protocol.hpp"
#include "protocols/gdb/target_xml.hpp"

#include <cstdio>

int main() {
  const kdbg::ArchInfo& arch = kdbg::kvm::x86_64().info();
  const auto pc = arch.registers[kdbg::index(arch.pc)].name;
  const auto protocol = kdbg::gdb::protocol();
  std::printf("%.*s\n", static_cast<int>(pc.size()), pc.data());
  std::printf("%.*s\n", static_cast<int>(protocol.name.size()), protocol.name.data());
  std::printf("%s\n", kdbg::gdb::frame("qC").c_str());
  std::printf("%s\n", kdbg::describe(kdbg::StopReason(kdbg::AtEntry{})).c_str());
  return kdbg::gdb::render_target_xml(arch).find("\"rip\"") == std::string::npos ? 1 : 0;
}
