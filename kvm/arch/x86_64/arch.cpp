#include "kvm/arch/x86_64/arch.hpp"

#include "kvm/arch/x86_64/cpu.hpp"
#include "kvm/arch/x86_64/intercept.hpp"

#include <algorithm>

namespace kdbg::kvm {
namespace {

constexpr std::byte int3[] = {std::byte{0xcc}};
constexpr unsigned slots = 4; // DR0 to DR3, for either kind (SDM vol. 3, 17.2.4)

class X86Arch final : public Arch {
public:
  explicit X86Arch(x86::Extensions extensions) : info_(x86::arch_info(extensions)) {}
  const ArchInfo& info() const override { return info_; }
  ByteView breakpoint_instruction(ByteView) const override { return int3; }
  std::string_view breakpoint_name() const override { return "int3"; }
  SlotRange slots_for(PointKind) const override { return {0, slots}; }
  unsigned exceptions() const override { return 32; } // SDM vol. 3, 6.2
  bool has_ports() const override { return true; }

  std::vector<Slot>
  split_watch(PointKind kind, std::uint64_t address, std::uint64_t length) const override {
    // x86 watches 1, 2, 4 or 8 bytes, aligned to their length. Greedy from the low end.
    std::vector<Slot> out;
    while (length != 0) {
      if (out.size() == slots) return {};
      std::uint64_t size = 8;
      while (size > length || address % size != 0) {
        size /= 2;
      }
      out.push_back({address, size, kind});
      address += size;
      length -= size;
    }
    return out;
  }

  std::unique_ptr<Cpu>
  attach(Vcpu& vcpu, GuestMemory& memory, const HostFacts& facts) const override {
    return std::make_unique<x86::X86Cpu>(vcpu, memory, facts, info_);
  }

  Status intercept(Kernel& kernel, Fd vm, const Intercepts& wanted) const override {
    return x86::intercept(kernel, vm, wanted);
  }

private:
  const ArchInfo& info_;
};

} // namespace

const Arch& x86_64() {
  static const X86Arch arch({});
  return arch;
}

const Arch& x86_64(const HostFacts& facts) {
  static const X86Arch avx512({.avx512 = true}), pkru({.pkru = true}),
      both({.avx512 = true, .pkru = true});
  const bool has_pkru = facts.xsave.pkru != 0;
  if (facts.xsave.avx512()) return has_pkru ? both : avx512;
  return has_pkru ? pkru : x86_64();
}

std::unique_ptr<const Arch> make_x86_64(const HostFacts& facts) {
  return std::make_unique<X86Arch>(
      x86::Extensions{.avx512 = facts.xsave.avx512(), .pkru = facts.xsave.pkru != 0});
}

} // namespace kdbg::kvm
