#pragma once
/// One x86 Cpu over a scripted KVM: what the contract tests drive. 64 KiB of memory from 0.
#include "kvm/arch/x86_64/arch.hpp"
#include "kvm/arch/x86_64/decode.hpp"
#include "tests/fakes/scripted_kernel.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cstring>

namespace kdbg::test {

inline kvm::HostFacts all_works() {
  kvm::HostFacts facts;
  facts.guest_debug = facts.single_step = facts.hardware_exec = facts.data_watch = true;
  facts.breakpoint_exit = facts.exception_payload = facts.block_interrupts = true;
  facts.debug_flags = 0x1f0003;
  return facts;
}

struct X86Rig {
  explicit X86Rig(const kvm::HostFacts& given = all_works())
      : facts(given),
        ram(0x10000),
        kernel(ram),
        memory({{0, ram}}),
        fd(kernel.add_vcpu(0x1000)),
        vcpu(kernel, fd, VcpuId{0}, *kernel.map_run(fd, 0)),
        cpu(kvm::x86_64(facts).attach(vcpu, memory, facts)) {
    regs().rsp = 0x800;
  }
  kvm::HostFacts facts;
  Bytes ram;
  ScriptedKernel kernel;
  kvm::Ram memory;
  kvm::Fd fd;
  kvm::Vcpu vcpu;
  std::unique_ptr<kvm::Cpu> cpu;

  kvm::x86::Regs& regs() { return kernel.regs(fd); }
  kvm::x86::Sregs& sregs() { return kernel.sregs(fd); }
  const kvm::x86::GuestDebug& debug() { return kernel.debug(fd); }

  /// Flat 64-bit, or 32-bit and real mode with segments that do not start at 0.
  void mode(kvm::x86::CodeMode mode) {
    using kvm::x86::CodeMode;
    auto& s = sregs();
    s.efer = mode == CodeMode::bits64 ? kvm::x86::efer_lma : 0;
    s.cr0 = mode == CodeMode::bits16 ? 0 : kvm::x86::cr0_pe;
    s.cs.l = mode == CodeMode::bits64 ? 1 : 0;
    s.cs.db = s.ss.db = mode == CodeMode::bits32 ? 1 : 0;
    s.cs.base = mode == CodeMode::bits64 ? 0 : 0x2000;
    s.ss.base = mode == CodeMode::bits64 ? 0 : 0x3000;
    cpu->exited();
  }
  /// Memory at a linear address, with paging off.
  template <class T>
  void put(std::uint64_t at, T value) {
    REQUIRE(memory.store(GuestPhys{at}, value));
  }
  template <class T>
  T get(std::uint64_t at) {
    T out{};
    REQUIRE(memory.load(GuestPhys{at}, out));
    return out;
  }
  /// `bytes` of a value, for stack words of a mode.
  void put_word(std::uint64_t at, std::uint64_t value, std::size_t bytes) {
    std::memcpy(ram.data() + at, &value, bytes);
  }
  std::uint64_t get_word(std::uint64_t at, std::size_t bytes) {
    std::uint64_t out = 0;
    std::memcpy(&out, ram.data() + at, bytes);
    return out;
  }
  void code(std::initializer_list<unsigned> bytes) {
    std::uint64_t at = regs().rip + (sregs().cs.l != 0 ? 0 : sregs().cs.base);
    for (const unsigned byte : bytes)
      ram[at++] = static_cast<std::byte>(byte);
  }

  static RegisterId id(std::string_view name) {
    const auto table = kvm::x86_64().info().registers;
    for (std::size_t i = 0; i < table.size(); ++i) {
      if (table[i].name == name) return RegisterId{static_cast<std::uint16_t>(i)};
    }
    FAIL("no register " << name);
    return {};
  }
  static Bytes bytes_of(std::uint64_t value, std::size_t count) {
    Bytes out(count);
    std::memcpy(out.data(), &value, std::min(count, sizeof value));
    return out;
  }
  Status write(std::string_view name, std::uint64_t value) {
    const std::size_t width = kvm::x86_64().info().registers[index(id(name))].bits / 8u;
    return cpu->write(id(name), bytes_of(value, width));
  }
  std::uint64_t read(std::string_view name) {
    auto value = cpu->read(id(name));
    REQUIRE(value);
    std::uint64_t out = 0;
    std::memcpy(&out, value->data(), std::min(value->size(), sizeof out));
    return out;
  }
  /// Every register, in the table's order.
  std::vector<Bytes> everything() {
    std::vector<Bytes> out;
    for (std::size_t i = 0; i < kvm::x86_64().info().registers.size(); ++i) {
      auto value = cpu->read(RegisterId{static_cast<std::uint16_t>(i)});
      REQUIRE(value);
      out.push_back(*value);
    }
    return out;
  }

  void debug_exit(std::uint32_t exception, std::uint64_t dr6) {
    auto& page = kernel.page(fd);
    page.exit_reason = KVM_EXIT_DEBUG;
    const kvm::x86::DebugExit exit{exception, 0, regs().rip, dr6, 0};
    std::memcpy(&page.debug, &exit, sizeof exit);
    cpu->exited();
  }
  kvm::Trap decoded() {
    const auto trap = cpu->decode_exit();
    REQUIRE(trap);
    const std::optional<kvm::Trap> found = *trap;
    REQUIRE(found);
    return *found;
  }
  std::size_t asked(unsigned long request) const {
    return static_cast<std::size_t>(std::count(kernel.log.begin(), kernel.log.end(), request));
  }
};

} // namespace kdbg::test
