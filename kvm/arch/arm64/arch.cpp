#include "kvm/arch/arm64/arch.hpp"

#include "kvm/arch/arm64/cpu.hpp"
#include "kvm/arch/arm64/slots.hpp"

#include <algorithm>

namespace kdbg::kvm {
namespace {

constexpr std::array brk{std::byte{0x00}, std::byte{0x00}, std::byte{0x20}, std::byte{0xd4}};
static_assert(arm64::brk_0 == 0xd4200000); // the same, as memory has it

class Arm64Arch final : public Arch {
public:
  explicit Arm64Arch(const HostFacts& facts)
      : table_(facts),
        exec_{0, std::min(facts.exec_slots, arm64::most_pairs)},
        watch_{arm64::first_watch, std::min(facts.watch_slots, arm64::most_pairs)} {}

  const ArchInfo& info() const override { return table_.info(); }
  /// Every instruction has four bytes. AArch32 code is not for this: see
  /// Cpu::software_points_blocked.
  ByteView breakpoint_instruction(ByteView code) const override {
    return code.size() < brk.size() ? ByteView{} : ByteView(brk);
  }
  std::string_view breakpoint_name() const override { return "brk"; }
  unsigned exceptions() const override { return 16; } // entries of the vector table
  SlotRange slots_for(PointKind kind) const override { return is_watch(kind) ? watch_ : exec_; }
  std::vector<Slot>
  split_watch(PointKind kind, std::uint64_t address, std::uint64_t length) const override {
    return arm64::split_watch(kind, address, length, watch_.count);
  }
  std::unique_ptr<Cpu>
  attach(Vcpu& vcpu, GuestMemory& memory, const HostFacts& facts) const override {
    return std::make_unique<arm64::Arm64Cpu>(vcpu, memory, facts, table_);
  }

private:
  arm64::RegisterTable table_;
  SlotRange exec_, watch_;
};

} // namespace

std::unique_ptr<const Arch> make_arm64(const HostFacts& facts) {
  return std::make_unique<Arm64Arch>(facts);
}

} // namespace kdbg::kvm
