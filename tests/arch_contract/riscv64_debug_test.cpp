// RISC-V under KVM: what stops a vCPU, what goes back to the guest, what the probe finds out.
#include "kvm/arch/riscv64/abi.hpp"
#include "tests/arch_contract/riscv64_rig.hpp"

#include <algorithm>
#include <cerrno>

using namespace kdbg;
using namespace kdbg::kvm;
using namespace kdbg::test::rv;
using riscv64::Csr;

namespace {

constexpr std::uint64_t entry = Rig::entry, data = Rig::data, handler = Rig::handler;

bool some_note_has(const HostFacts& found, std::string_view text) {
  return std::any_of(found.notes.begin(), found.notes.end(),
                     [&](const std::string& note) { return note.find(text) != std::string::npos; });
}

} // namespace

TEST_CASE("82 riscv64: ebreak exits while points are in place; afterwards the guest has its own") {
  Rig rig;
  rig.code({addi(a0, a0, 1), ebreak, addi(a0, a0, 2), jal(0, -8)});
  rig.put<Word>(handler, {sd(a0, 0, a1), jal(0, 0)});
  rig.kernel.csr(rig.fd(), Csr::stvec) = handler;
  rig.kernel.x(rig.fd(), a1) = data;
  REQUIRE(rig.insert(PointKind::software, entry));
  REQUIRE(rig.resume(Motion::run));
  CHECK(rig.pc() == entry);
  CHECK(rig.last<HitPoint>() != nullptr);
  CHECK(rig.kernel.vcpu(rig.fd()).control == 0x10001);
  REQUIRE(rig.remove(PointKind::software, entry));
  rig.kernel.before_instruction = [&](Fd, std::uint64_t pc) {
    if (pc == handler + 4) rig.engine.interrupt({});
  };
  REQUIRE(rig.resume(Motion::run));
  CHECK(rig.pc() == handler + 4);
  CHECK(rig.kernel.vcpu(rig.fd()).control == 0);
  CHECK(rig.kernel.csr(rig.fd(), Csr::sepc) == entry + 4);
  CHECK(rig.get(data) == 1);
}

TEST_CASE("83 riscv64: a compressed instruction gets c.ebreak, a full one ebreak") {
  const auto arch = make_riscv64(facts());
  const auto bytes = [](std::initializer_list<unsigned> values) {
    Bytes out;
    for (const unsigned value : values) {
      out.push_back(static_cast<std::byte>(value));
    }
    return out;
  };
  const auto ours = [&](std::initializer_list<unsigned> code) {
    const ByteView found = arch->breakpoint_instruction(bytes(code));
    return Bytes(found.begin(), found.end());
  };
  CHECK(ours({0x13, 0x05, 0x15, 0x00}) == bytes({0x73, 0x00, 0x10, 0x00}));
  CHECK(ours({0x01, 0x00, 0x13, 0x05}) == bytes({0x02, 0x90}));
  CHECK(ours({0x01, 0x00}) == bytes({0x02, 0x90}));
  CHECK(ours({0x13, 0x05}) == bytes({0x02, 0x90})); // no room for four
  CHECK(ours({0x13}).empty());
  CHECK(arch->info().code_alignment == 2);

  Rig rig;
  rig.put<std::uint16_t>(entry, {0x0505, 0x0509, 0x0511, 0xbfed}); // c.addi a0, 1; 2; 4; c.j -6
  REQUIRE(rig.insert(PointKind::software, entry + 2));
  REQUIRE(rig.resume(Motion::run));
  CHECK(rig.pc() == entry + 2);
  CHECK(rig.get<std::uint16_t>(entry + 2) == c_ebreak);
  CHECK(rig.get<std::uint16_t>(entry + 4) == 0x0511);
  CHECK(rig.step() == entry + 4);
  CHECK(rig.kernel.x(rig.fd(), a0) == 3);
  CHECK(rig.step() == entry + 6);
  CHECK(rig.step() == entry);
  CHECK_FALSE(rig.insert(PointKind::software, entry + 1));
  REQUIRE(rig.engine.withdraw());
  CHECK(rig.ram == rig.original);
}

TEST_CASE("84 riscv64: the guest's own ebreak is handed back as a supervisor's trap") {
  for (const std::uint64_t mode : {riscv64::mode_supervisor, riscv64::mode_user}) {
    for (const std::uint64_t interrupts : {riscv64::sstatus_sie, std::uint64_t{0}}) {
      Rig rig;
      rig.code({addi(a0, a0, 1), ebreak, nop});
      rig.put<Word>(handler, {jal(0, 0)});
      rig.kernel.csr(rig.fd(), Csr::stvec) = handler | 1; // vectored: exceptions go to the base
      rig.kernel.csr(rig.fd(), Csr::sstatus) = interrupts | 1u << 18;
      rig.kernel.mode(rig.fd()) = mode;
      REQUIRE(rig.insert(PointKind::software, handler));
      REQUIRE(rig.resume(Motion::run));
      CHECK(rig.pc() == handler);
      CHECK(rig.last<HitPoint>() != nullptr);
      CHECK(rig.read("sepc") == entry + 4);
      CHECK(rig.read("scause") == 3);
      CHECK(rig.read("stval") == entry + 4);
      const std::uint64_t status = 1u << 18 | (interrupts != 0 ? riscv64::sstatus_spie : 0) |
                                   (mode == riscv64::mode_supervisor ? riscv64::sstatus_spp : 0);
      CHECK(rig.read("sstatus") == status);
      CHECK(rig.read("priv") == 1);
    }
  }
}

TEST_CASE("84 riscv64: stepping the guest's own ebreak ends in its handler") {
  for (const bool at_site : {false, true}) {
    Rig rig;
    rig.code({ebreak, nop});
    rig.kernel.csr(rig.fd(), Csr::stvec) = handler;
    if (at_site) REQUIRE(rig.insert(PointKind::software, entry));
    CHECK(rig.step() == handler);
    CHECK(rig.read("scause") == 3);
    REQUIRE(rig.engine.withdraw());
    CHECK(rig.ram == rig.original);
  }
}

TEST_CASE("85 riscv64: SINGLESTEP that is accepted and does nothing is found out") {
  for (const bool steps : {false, true}) {
    Bytes ram(0x10000);
    kdbg::test::ScriptedRiscvKernel kernel(ram);
    kernel.steps = steps;
    auto found = riscv64::probe(kernel);
    REQUIRE(found);
    CHECK((*found).guest_debug);
    CHECK((*found).breakpoint_exit);
    CHECK_FALSE((*found).single_step);
    CHECK((*found).soft_step);
    CHECK((*found).steps());
    CHECK((*found).loops_per_second > 0);
    CHECK(some_note_has(*found, steps ? "makes no use of" : "ran on to the next ebreak"));
    CHECK(some_note_has(*found, "no KVM_GUESTDBG_USE_HW in this kernel API"));
    CHECK(std::count(kernel.log.begin(), kernel.log.end(), 0x4008ae9bul) >= 4);
  }
}

TEST_CASE("82 riscv64: a KVM whose ebreak does not exit has no points, and the probe says so") {
  for (const bool full : {false, true}) {
    Bytes ram(0x10000);
    kdbg::test::ScriptedRiscvKernel kernel(ram);
    kernel.ebreak_exits = full;
    kernel.compressed_exits = false;
    auto found = riscv64::probe(kernel);
    REQUIRE(found);
    CHECK_FALSE((*found).breakpoint_exit);
    CHECK_FALSE((*found).steps());
    CHECK(some_note_has(*found, full ? "c.ebreak does not exit" : "ebreak does not exit"));
  }
}

TEST_CASE("86 riscv64: without the capability the probe asks nothing more") {
  Bytes ram(0x10000);
  kdbg::test::ScriptedRiscvKernel kernel(ram);
  kernel.extension.clear();
  auto found = riscv64::probe(kernel);
  REQUIRE(found);
  CHECK_FALSE((*found).guest_debug);
  CHECK(some_note_has(*found, "KVM_CAP_SET_GUEST_DEBUG is 0"));
  CHECK(std::count(kernel.log.begin(), kernel.log.end(), KVM_CREATE_VM) == 0);
}

TEST_CASE("87 riscv64: KVM_SET_GUEST_DEBUG's errno is told, by the probe and by a run") {
  for (const int error : {ENOTTY, EINVAL}) {
    Bytes ram(0x10000);
    kdbg::test::ScriptedRiscvKernel kernel(ram);
    kernel.refused[set_plain_guest_debug] = error;
    auto found = riscv64::probe(kernel);
    REQUIRE(found);
    CHECK_FALSE((*found).steps());
    CHECK(some_note_has(*found, "errno " + std::to_string(error)));

    Rig rig;
    rig.code({nop, nop});
    rig.kernel.refused[set_plain_guest_debug] = error;
    REQUIRE(rig.insert(PointKind::software, entry + 4));
    REQUIRE(rig.resume(Motion::run));
    CHECK(rig.last<Crashed>() != nullptr);
  }
}

TEST_CASE("85 riscv64: hardware points are refused by name; watches compare") {
  Rig rig;
  const auto refused = rig.insert(PointKind::hardware, entry);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Code::unsupported);
  CHECK(refused.error().what.find("not supported on riscv64 KVM") != std::string::npos);
  CHECK(refused.error().what.find("KVM_GUESTDBG_USE_HW") != std::string::npos);
  for (const PointKind kind : {PointKind::write, PointKind::read, PointKind::access}) {
    CHECK(rig.insert(kind, data, 8));
  }
  CHECK(rig.engine.capabilities().hardware_slots == 0);
  CHECK(rig.engine.capabilities().stepped_watch);
  CHECK_FALSE(rig.cpu().arm(DebugPlan{.step = true}));
}

TEST_CASE("riscv64: a return to code that is not there yet ends where its fault goes") {
  Rig rig;
  rig.code({sret, nop});
  rig.put<Word>(handler, {nop, nop, jal(0, 0)});
  rig.kernel.csr(rig.fd(), Csr::stvec) = handler;
  rig.kernel.csr(rig.fd(), Csr::sepc) = 0x200000; // beyond memory
  rig.kernel.before_instruction = [&](Fd, std::uint64_t) {
    if (rig.kernel.executed > 100) rig.engine.interrupt({});
  };
  CHECK(rig.step() == handler);
  CHECK(rig.ram == rig.original);
}

TEST_CASE("riscv64: exceptions and ports are not caught by number") {
  Rig rig;
  CHECK_FALSE(rig.insert(PointKind::exception, 3));
  CHECK_FALSE(rig.insert(PointKind::port, 0x3f8));
}

TEST_CASE("riscv64: traps by design end the step where the CPU goes") {
  Rig rig;
  SECTION("ecall from user mode: at stvec") {
    rig.code({ecall, nop});
    rig.kernel.mode(rig.fd()) = riscv64::mode_user;
    rig.kernel.csr(rig.fd(), Csr::stvec) = handler;
    CHECK(rig.step() == handler);
    CHECK(rig.read("scause") == 8);
  }
  SECTION("ecall from supervisor mode: behind it, the hypervisor having answered") {
    rig.code({ecall, nop});
    rig.kernel.csr(rig.fd(), Csr::stvec) = handler;
    CHECK(rig.step() == entry + 4);
  }
  SECTION("sret: at sepc, in the mode that was saved") {
    rig.code({sret});
    rig.kernel.csr(rig.fd(), Csr::sepc) = 0x3000;
    CHECK(rig.step() == 0x3000);
    CHECK(rig.read("priv") == 0);
  }
  SECTION("wfi: behind it at once") {
    rig.code({wfi, nop});
    CHECK(rig.step() == entry + 4);
    CHECK(rig.kernel.executed == 0);
  }
  CHECK(rig.ram == rig.original);
}
