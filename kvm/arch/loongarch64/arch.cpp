#include "kvm/arch/loongarch64/arch.hpp"

#include "kvm/arch/loongarch64/cpu.hpp"

#include <cstring>

namespace kdbg::kvm {
namespace {

class LoongArch final : public Arch {
public:
  explicit LoongArch(std::uint32_t breakpoint_word) {
    std::memcpy(breakpoint_.data(), &breakpoint_word, breakpoint_.size());
  }
  const ArchInfo& info() const override { return loongarch64::arch_info(); }
  ByteView breakpoint_instruction(ByteView code) const override {
    const bool known = breakpoint_ != decltype(breakpoint_){};
    return known && code.size() >= breakpoint_.size() ? ByteView(breakpoint_) : ByteView();
  }
  std::string_view breakpoint_name() const override { return "hvcl"; }
  SlotRange slots_for(PointKind) const override { return {}; }
  std::vector<Slot> split_watch(PointKind, std::uint64_t, std::uint64_t) const override {
    return {};
  }
  std::unique_ptr<Cpu>
  attach(Vcpu& vcpu, GuestMemory& memory, const HostFacts& facts) const override {
    return std::make_unique<loongarch64::LoongArchCpu>(vcpu, memory, facts);
  }

private:
  std::array<std::byte, loongarch64::instruction_bytes> breakpoint_{};
};

} // namespace

std::unique_ptr<const Arch> make_loongarch64(const HostFacts& facts) {
  return std::make_unique<LoongArch>(facts.breakpoint_word);
}

} // namespace kdbg::kvm
