#pragma once
/// The CPU families as the contract suite sees them. One more joins with a description of this
/// shape, and its name in `Families`.
#include "tests/arch_contract/arm64_rig.hpp"
#include "tests/arch_contract/loongarch64_rig.hpp"
#include "tests/arch_contract/riscv64_rig.hpp"
#include "tests/arch_contract/x86_rig.hpp"

#include <tuple>

namespace kdbg::test {

/// Three instructions at EngineRig::entry: one that touches no memory, one that adds to the 4 or 8
/// bytes at EngineRig::data, and a jump back.
struct Program {
  Bytes bytes;
  std::array<std::uint64_t, 3> offsets;
};

template <class Word>
Bytes bytes_of(std::initializer_list<Word> words) {
  const auto raw = std::as_bytes(std::span(words.begin(), words.size()));
  return {raw.begin(), raw.end()};
}

struct X86Family {
  using Kernel = ScriptedKernel;
  static std::unique_ptr<const kvm::Arch> make() { return kvm::make_x86_64(host()); }
  static kvm::HostFacts host() { return all_works(); }
  static Program program(Kernel& kernel, kvm::Fd fd, std::uint64_t data) {
    kernel.regs(fd).rdi = data;
    return {bytes_of<unsigned char>({0x90, 0xff, 0x07, 0xeb, 0xfb}), {0, 1, 3}};
  }
  static void breakpoint_exit(Kernel& kernel, kvm::Fd fd) { debug_exit(kernel, fd, 3, 0); }
  static void slot_exit(Kernel& kernel, kvm::Fd fd, unsigned n, const kvm::Slot&) {
    debug_exit(kernel, fd, 1, kvm::x86::dr6_fixed | 1u << n);
  }
  static void raise_interrupt(Kernel&, kvm::Fd) {} // this KVM has none: it is asked to hold it back
  static bool blocks_interrupts(Kernel& kernel, kvm::Fd fd) {
    return (kernel.debug(fd).control & kvm::x86::debug_block_irq) != 0;
  }
  /// Bits that a write may change: selectors load descriptors, which are not there; the rest is
  /// what KVM's structures have room for.
  static std::uint64_t writable(std::string_view name) {
    constexpr std::string_view selectors[] = {"cs", "ss", "ds", "es", "fs", "gs", "ftag"};
    if (std::find(std::begin(selectors), std::end(selectors), name) != std::end(selectors))
      return 0;
    constexpr std::string_view halves[] = {"fctrl", "fstat", "fiseg", "foseg", "fop"};
    if (std::find(std::begin(halves), std::end(halves), name) != std::end(halves)) return 0x7ff;
    if (name.ends_with("_attr")) return 0xf0ff;
    return name == "eflags" ? 0x2 ^ 0xfd7 : ~std::uint64_t{0};
  }

private:
  static void debug_exit(Kernel& kernel, kvm::Fd fd, std::uint32_t exception, std::uint64_t dr6) {
    kvm_run& page = kernel.page(fd);
    page.exit_reason = KVM_EXIT_DEBUG;
    const kvm::x86::DebugExit exit{exception, 0, kernel.regs(fd).rip, dr6, 0};
    std::memcpy(&page.debug, &exit, sizeof exit);
  }
};

/// What LoongArch and RISC-V have in common: an exit that says nothing, and no slots.
template <class Traits>
struct SoftFamily : Traits {
  using typename Traits::Kernel;
  static void breakpoint_exit(Kernel& kernel, kvm::Fd fd) {
    kernel.vcpu(fd).page().exit_reason = KVM_EXIT_DEBUG;
  }
  static void slot_exit(Kernel&, kvm::Fd, unsigned, const kvm::Slot&) {
    FAIL("there are no slots");
  }
  static void raise_interrupt(Kernel&, kvm::Fd) {}
  static bool blocks_interrupts(Kernel&, kvm::Fd) { return false; }
};

struct LoongArchFamily : SoftFamily<la::Traits> {
  static Program program(Kernel& kernel, kvm::Fd fd, std::uint64_t data) {
    kernel.r(fd, la::a1) = data;
    kernel.r(fd, la::a2) = 1;
    return {bytes_of({la::nop, la::amadd(la::t0, la::a2, la::a1), la::jump(la::b, -8)}), {0, 4, 8}};
  }
  static std::uint64_t writable(std::string_view name) {
    if (name == "r0" || name == "orig_a0") return 0;
    return name == "pc" ? ~std::uint64_t{3} : ~std::uint64_t{0};
  }
};

struct RiscvFamily : SoftFamily<rv::Traits> {
  static Program program(Kernel& kernel, kvm::Fd fd, std::uint64_t data) {
    kernel.x(fd, rv::a1) = data;
    kernel.x(fd, rv::a2) = 1;
    return {bytes_of({rv::nop, rv::amoadd_d(rv::t0, rv::a2, rv::a1), rv::jal(0, -8)}), {0, 4, 8}};
  }
  static std::uint64_t writable(std::string_view name) {
    if (name == "zero") return 0;
    if (name == "fflags") return 0x1f;
    if (name == "frm") return 7;
    if (name == "priv") return 1;
    return name == "pc" ? ~std::uint64_t{1} : ~std::uint64_t{0};
  }
};

struct Arm64Family {
  using Kernel = ScriptedArm64Kernel;
  static std::unique_ptr<const kvm::Arch> make() { return kvm::make_arm64(host()); }
  static kvm::HostFacts host() { return arm64_works(); }
  static Program program(Kernel& kernel, kvm::Fd fd, std::uint64_t data) {
    kernel.set(fd, reg::x(2), data);
    return {bytes_of({a64::add_x1_1, a64::str_x1_x2, a64::branch(-2)}), {0, 4, 8}};
  }
  static void breakpoint_exit(Kernel& kernel, kvm::Fd fd) { debug_exit(kernel, fd, 0x3c, 0); }
  static void slot_exit(Kernel& kernel, kvm::Fd fd, unsigned, const kvm::Slot& slot) {
    const bool executes = slot.kind == PointKind::hardware;
    if (executes) kernel.set(fd, reg::pc, slot.address);
    debug_exit(kernel, fd, executes ? 0x30 : 0x34, slot.address);
  }
  static void raise_interrupt(Kernel& kernel, kvm::Fd fd) { kernel.irq_pending(fd) = true; }
  /// It is still waiting.
  static bool blocks_interrupts(Kernel& kernel, kvm::Fd fd) {
    return std::exchange(kernel.irq_pending(fd), false);
  }
  static std::uint64_t writable(std::string_view name) {
    if (name == "cpsr") return 0xf0000000;
    return name == "pc" ? ~std::uint64_t{3} : ~std::uint64_t{0};
  }

private:
  static void debug_exit(Kernel& kernel, kvm::Fd fd, std::uint32_t ec, std::uint64_t far) {
    kernel.next_exit = Kernel::Exit{KVM_EXIT_DEBUG, ec << 26 | 1u << 25, far};
    REQUIRE(kernel.ioctl(fd, KVM_RUN, nullptr));
  }
};

using Families = std::tuple<X86Family, Arm64Family, LoongArchFamily, RiscvFamily>;

} // namespace kdbg::test
