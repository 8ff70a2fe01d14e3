#include "kvm/machine/board.hpp"

#include "kvm/machine/arm64/virt.hpp"
#include "kvm/machine/x86_64/pc.hpp"

#include <elf.h>
#include <fmt/format.h>

namespace kdbg::kvm {

Result<std::unique_ptr<Board>> make_board(std::uint16_t elf_machine, BoardParts parts) {
  switch (elf_machine) {
  case EM_X86_64:
    return std::unique_ptr<Board>(std::make_unique<Pc>(std::move(parts)));
  case EM_AARCH64:
    return std::unique_ptr<Board>(std::make_unique<Virt>(std::move(parts)));
  default:
    return Error{Code::unsupported,
                 fmt::format("there is no built-in machine for ELF machine {}", elf_machine)};
  }
}

} // namespace kdbg::kvm
