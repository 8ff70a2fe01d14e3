// Prints the target description of a CPU family. Usage: describe FAMILY [VECTOR_BYTES]
#include "kvm/arch/family.hpp"
#include "protocols/gdb/target_xml.hpp"

#include <cstdio>
#include <cstdlib>

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  auto family = kdbg::kvm::family(argv[1]);
  if (!family) {
    std::fprintf(stderr, "%s\n", family.error().what.c_str());
    return 1;
  }
  kdbg::kvm::HostFacts facts;
  if (argc > 2) {
    facts.sve = true;
    facts.sve_bytes = static_cast<std::uint16_t>(std::strtoul(argv[2], nullptr, 10));
  }
  const auto arch = (*family)->make(facts);
  std::fputs(kdbg::gdb::render_target_xml(arch->info()).c_str(), stdout);
  return 0;
}
