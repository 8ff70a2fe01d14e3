#pragma once
/// One arm64 Cpu over a scripted KVM: what the contract tests drive. 64 KiB of memory from 0.
#include "kvm/arch/arm64/arch.hpp"
#include "kvm/arch/arm64/slots.hpp"
#include "tests/fakes/scripted_arm64_kernel.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cstring>

namespace kdbg::test {

namespace reg = kvm::arm64::reg;

/// A64 instructions that the scripted KVM knows.
namespace a64 {
inline constexpr std::uint32_t nop = 0xd503201f, wfi = 0xd503207f, eret = 0xd69f03e0;
inline constexpr std::uint32_t read_daif_x1 = 0xd53b4221, write_daif_x1 = 0xd51b4221;
inline constexpr std::uint32_t set_irq = 0xd50342df, clear_irq = 0xd50342ff; // #2: I alone
inline constexpr std::uint32_t svc_0 = 0xd4000001, branch_to_itself = 0x14000000;
inline constexpr std::uint32_t str_x1_x2 = 0xf9000041, ldr_x1_x2 = 0xf9400041,
                               ldrb_w1_x2 = 0x39400041, str_w1_x2 = 0xb9000041;
inline constexpr std::uint32_t ldxr_x1_x2 = 0xc85f7c41, stxr_w3_x1_x2 = 0xc8037c41;
inline constexpr std::uint32_t add_x1_1 = 0x91000421, add_x0_1 = 0x91000400;
constexpr std::uint32_t brk(unsigned imm) {
  return 0xd4200000 | imm << 5;
}
constexpr std::uint32_t branch(int words) {
  return 0x14000000 | (static_cast<std::uint32_t>(words) & 0x3ffffff);
}
constexpr std::uint32_t cbnz_w3(int words) {
  return 0x35000003 | (static_cast<std::uint32_t>(words) & 0x7ffff) << 5;
}
constexpr std::uint32_t cbz_x1(int words) {
  return 0xb4000001 | (static_cast<std::uint32_t>(words) & 0x7ffff) << 5;
}
} // namespace a64

inline kvm::HostFacts arm64_works() {
  kvm::HostFacts facts;
  facts.guest_debug = facts.single_step = facts.hardware_exec = facts.data_watch = true;
  facts.breakpoint_exit = facts.block_interrupts = facts.read_slots = facts.watch_before = true;
  facts.resume_flag_ignored = true;
  facts.rearm_step = false;
  facts.debug_flags = 0x30003;
  facts.exec_slots = 6;
  facts.watch_slots = 4;
  return facts;
}

struct Arm64Rig {
  static constexpr std::uint64_t entry = 0x1000, vectors = 0x4000, data = 0x2000;

  explicit Arm64Rig(const kvm::HostFacts& given = arm64_works())
      : facts(given),
        ram(0x10000),
        kernel(ram),
        memory({{0, ram}}),
        fd(kernel.add_vcpu(entry)),
        vcpu(kernel, fd, VcpuId{0}, *kernel.map_run(fd, 0)),
        arch(kvm::make_arm64(facts)),
        cpu(arch->attach(vcpu, memory, facts)) {
    set(reg::vbar_el1, vectors);
    set(reg::x(2), data);
  }
  kvm::HostFacts facts;
  Bytes ram;
  ScriptedArm64Kernel kernel;
  kvm::Ram memory;
  kvm::Fd fd;
  kvm::Vcpu vcpu;
  std::unique_ptr<const kvm::Arch> arch;
  std::unique_ptr<kvm::Cpu> cpu;

  std::uint64_t get(std::uint64_t id) const { return kernel.get(fd, id); }
  void set(std::uint64_t id, std::uint64_t value) { kernel.set(fd, id, value); }
  const kvm::arm64::GuestDebug& debug() { return kernel.debug(fd); }
  template <class T>
  void put(std::uint64_t at, T value) {
    REQUIRE(memory.store(GuestPhys{at}, value));
  }

  RegisterId id(std::string_view name) const {
    const auto table = arch->info().registers;
    for (std::size_t i = 0; i < table.size(); ++i) {
      if (table[i].name == name) return RegisterId{static_cast<std::uint16_t>(i)};
    }
    FAIL("no register " << name);
    return {};
  }
  std::uint64_t read(std::string_view name) {
    auto value = cpu->read(id(name));
    REQUIRE(value);
    std::uint64_t out = 0;
    std::memcpy(&out, value->data(), std::min(value->size(), sizeof out));
    return out;
  }
  Status write(std::string_view name, std::uint64_t value) {
    Bytes bytes(arch->info().registers[index(id(name))].bits / 8u);
    std::memcpy(bytes.data(), &value, std::min(bytes.size(), sizeof value));
    return cpu->write(id(name), bytes);
  }

  void debug_exit(std::uint32_t hsr, std::uint64_t far = 0) {
    kernel.next_exit = ScriptedArm64Kernel::Exit{KVM_EXIT_DEBUG, hsr, far};
    REQUIRE(vcpu.run());
    cpu->exited();
  }
  kvm::Trap decoded() {
    const auto trap = cpu->decode_exit();
    REQUIRE(trap);
    const std::optional<kvm::Trap> found = *trap;
    REQUIRE(found);
    return *found;
  }
  /// As the engine does a step, until it is done. The number of entries.
  int step(bool masked = true) {
    for (int entries = 1; entries < 100; ++entries) {
      const auto begun = cpu->begin_step();
      REQUIRE(begun);
      if (!(*begun).done) {
        kvm::DebugPlan plan{.step = true, .block_interrupts = masked};
        if (const auto& end = (*begun).ends.front()) {
          plan.slots[0] = kvm::Slot{*end, 1, PointKind::hardware};
        }
        REQUIRE(cpu->arm(plan));
        const bool ran = bool(vcpu.run());
        cpu->exited();
        const auto moved = cpu->step_progressed();
        REQUIRE(moved);
        if (!ran && !*moved) continue;
        if (ran) {
          const kvm::Trap trap = decoded();
          REQUIRE((trap.stepped || trap.slots == 1));
        }
        const auto lost = cpu->step_lost();
        REQUIRE(lost);
        if (*lost) continue;
      }
      REQUIRE(cpu->end_step());
      return entries;
    }
    FAIL("the step does not end");
    return 0;
  }
  std::size_t asked(unsigned long request) const {
    return static_cast<std::size_t>(std::count(kernel.log.begin(), kernel.log.end(), request));
  }
};

} // namespace kdbg::test
