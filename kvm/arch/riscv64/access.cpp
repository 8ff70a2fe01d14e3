// RISC-V registers that are more than a number, and memory as this vCPU sees it.
#include "kvm/arch/riscv64/cpu.hpp"
#include "kvm/arch/riscv64/translate.hpp"

#include <fmt/format.h>

namespace kdbg::kvm::riscv64 {
namespace {

constexpr std::uint64_t walked_by[] = {core_pc, csr(Csr::satp)};

/// The tables that an address in this space is looked up in.
std::uint64_t under(std::uint64_t satp, const Space& space) {
  return space.kind == Space::Kind::root ? with_root(satp, space.root) : satp;
}

class Snapshot final : public PageTables {
public:
  Snapshot(std::uint64_t satp, const GuestMemory& memory) : satp_(satp), memory_(memory) {}
  Result<Translation> translate(Address at) const override {
    return walk(under(satp_, at.space), memory_, at.value);
  }
  std::uint64_t hole(Address at) const override {
    std::uint64_t size = 1u << 12; // nothing is known of a reserved mode
    std::ignore = walk(under(satp_, at.space), memory_, at.value, Detail::none, &size);
    return size;
  }

private:
  std::uint64_t satp_;
  const GuestMemory& memory_;
};

} // namespace

RiscvCpu::RiscvCpu(Vcpu& vcpu, GuestMemory& memory)
    : SoftCpu(vcpu, memory, arch_info(), sources(), walked_by) {}

/// KVM cuts the lowest bit of a pc off, without a word.
Status RiscvCpu::write(RegisterId id, ByteView value) {
  if (id == info_.pc && !value.empty() && (value[0] & std::byte{1}) != std::byte{0}) {
    return Error{Code::bad_request, "pc must be even"};
  }
  return SoftCpu::write(id, value);
}

Result<Translation> RiscvCpu::translate(Address at) {
  if (at.space.kind == Space::Kind::physical) {
    Translation out;
    out.physical = GuestPhys{at.value};
    return out;
  }
  return walk(under(TRY(get(csr(Csr::satp))), at.space), memory_, at.value, Detail::none);
}

Result<std::unique_ptr<PageTables>> RiscvCpu::page_tables() {
  const std::uint64_t satp = TRY(get(csr(Csr::satp)));
  return std::unique_ptr<PageTables>(std::make_unique<Snapshot>(satp, memory_));
}

Result<std::uint64_t> RiscvCpu::root() {
  return root_of(TRY(get(csr(Csr::satp))));
}

std::string RiscvCpu::describe() {
  const auto mode = get(core_mode), satp = get(csr(Csr::satp));
  if (!mode) return mode.error().what;
  if (!satp) return satp.error().what;
  const auto stopped = waiting();
  return fmt::format("{} mode, {}{}", *mode == mode_user ? "user" : "supervisor", mode_name(*satp),
                     stopped && *stopped ? ", stopped" : "");
}

/// Of vectors nothing is known here: what they write shows by its value.
Result<std::vector<Access>> RiscvCpu::accesses() {
  const std::uint64_t at = TRY(pc()).value;
  const Bytes code = TRY(code_at(at, longest_sequence));
  const Instruction found = decode(code);
  if (found.bytes == 0) return std::vector<Access>{};
  const std::uint64_t address = TRY(x(found.rs1)) + static_cast<std::uint64_t>(found.offset);
  // A step from a reserving load goes on to behind its store.
  const bool stores = found.kind == Kind::load_reserved && run_through(at, code, shape_of);
  return std::vector<Access>{{address, found.bytes, found.reads, found.writes || stores}};
}

} // namespace kdbg::kvm::riscv64
