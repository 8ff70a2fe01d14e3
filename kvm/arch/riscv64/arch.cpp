#include "kvm/arch/riscv64/arch.hpp"

#include "kvm/arch/riscv64/cpu.hpp"

namespace kdbg::kvm {
namespace {

constexpr std::byte ebreak[] = {std::byte{0x73}, std::byte{0x00}, std::byte{0x10}, std::byte{0x00}};
constexpr std::byte c_ebreak[] = {std::byte{0x02}, std::byte{0x90}};
constexpr std::byte length_bits{3}; // both set: the instruction has at least 4 bytes

class RiscvArch final : public Arch {
public:
  const ArchInfo& info() const override { return riscv64::arch_info(); }
  /// As long as what it covers, so that a jump behind it finds what it should.
  ByteView breakpoint_instruction(ByteView code) const override {
    if (code.size() < sizeof c_ebreak) return {};
    const bool compressed = (code[0] & length_bits) != length_bits;
    return compressed || code.size() < sizeof ebreak ? ByteView(c_ebreak) : ByteView(ebreak);
  }
  std::string_view breakpoint_name() const override { return "ebreak"; }
  SlotRange slots_for(PointKind) const override { return {}; }
  std::vector<Slot> split_watch(PointKind, std::uint64_t, std::uint64_t) const override {
    return {};
  }
  std::unique_ptr<Cpu> attach(Vcpu& vcpu, GuestMemory& memory, const HostFacts&) const override {
    return std::make_unique<riscv64::RiscvCpu>(vcpu, memory);
  }
};

} // namespace

std::unique_ptr<const Arch> make_riscv64(const HostFacts&) {
  return std::make_unique<RiscvArch>();
}

} // namespace kdbg::kvm
