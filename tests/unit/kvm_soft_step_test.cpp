// The engine's steps where KVM has none, on scripted RISC-V vCPUs: temporaries, sites, several
// vCPUs, interrupts and kicks in the middle.
#include "tests/arch_contract/riscv64_rig.hpp"

#include <cerrno>

using namespace kdbg;
using namespace kdbg::kvm;
using namespace kdbg::test::rv;
using riscv64::Csr;

namespace {

constexpr std::uint64_t entry = Rig::entry, data = Rig::data, handler = Rig::handler;

/// What a counting handler leaves behind: sret from wherever it came.
void install_handler(Rig& rig, std::size_t vcpu = 0) {
  rig.put<Word>(handler, {ld(t1, 8, a1), addi(t1, t1, 1), sd(t1, 8, a1), sret});
  rig.kernel.csr(rig.fd(vcpu), Csr::stvec) = handler;
  rig.kernel.csr(rig.fd(vcpu), Csr::sstatus) = riscv64::sstatus_sie;
  rig.kernel.x(rig.fd(vcpu), a1) = data;
}

} // namespace

TEST_CASE("80 soft step: plain instructions one by one, and nothing of ours stays in memory") {
  Rig rig;
  rig.code({addi(a0, a0, 1), addi(a0, a0, 2), sd(a0, 0, a1), jal(0, -12)});
  rig.kernel.x(rig.fd(), a1) = data;
  for (const std::uint64_t after : {4, 8, 12, 0, 4}) {
    CHECK(rig.step() == entry + after);
    const std::uint64_t value = rig.get(data);
    rig.put<std::uint64_t>(data, {0});
    CHECK(rig.ram == rig.original);
    rig.put<std::uint64_t>(data, {value});
  }
  CHECK(rig.kernel.x(rig.fd(), a0) == 4);
  CHECK(rig.get(data) == 3);
}

TEST_CASE("80 soft step: off a site, onto a site, and an end that is itself a site") {
  Rig rig;
  rig.code({addi(a0, a0, 1), addi(a0, a0, 2), addi(a0, a0, 4), jal(0, -12)});
  REQUIRE(rig.insert(PointKind::software, entry));
  REQUIRE(rig.insert(PointKind::software, entry + 4));
  CHECK(rig.step() == entry + 4);
  REQUIRE(rig.last<HitPoint>() != nullptr);
  CHECK(rig.last<HitPoint>()->point.at.value == entry + 4);
  CHECK(rig.kernel.x(rig.fd(), a0) == 1);
  CHECK(rig.step() == entry + 8);
  CHECK(rig.last<HitPoint>() == nullptr);
  REQUIRE(rig.resume(Motion::run));
  CHECK(rig.pc() == entry);
  REQUIRE(rig.resume(Motion::run));
  CHECK(rig.pc() == entry + 4);
  CHECK(rig.kernel.x(rig.fd(), a0) == 8);
  REQUIRE(rig.engine.withdraw());
  CHECK(rig.ram == rig.original);
}

TEST_CASE("80 soft step: sites side by side whose rules say no are passed, and the third time one "
          "stops") {
  Rig rig;
  rig.code({addi(a0, a0, 1), addi(a0, a0, 2), jal(0, -8)});
  const Rule third{.hits = *parse_hits("3")};
  const Rule three{.conditions = {{// a0, which gdb counts as 10, is 3
                                   {std::byte{0x26},
                                    {},
                                    std::byte{10},
                                    std::byte{0x22},
                                    std::byte{3},
                                    std::byte{0x13},
                                    std::byte{0x27}},
                                   "a0 == 3"}},
                   .hits = *parse_hits("2")};
  for (const auto& [at, rule] : {std::pair{entry, third}, {entry + 4, three}}) {
    const Point point{PointKind::software, Address{at}, 1};
    REQUIRE(rig.engine.insert(VcpuId{0}, point));
    REQUIRE(rig.engine.agree(point, {{ClientId{1}, rule}}));
  }
  REQUIRE(rig.resume(Motion::run));
  CHECK(rig.pc() == entry);
  CHECK(rig.kernel.x(rig.fd(), a0) == 6);
  // through a range over both: neither counts to its number any more
  REQUIRE(rig.resume({Motion::step}, {{entry, entry + 8}}));
  CHECK(rig.pc() == entry + 8);
  CHECK(rig.last<HitPoint>() == nullptr);
  CHECK(rig.kernel.x(rig.fd(), a0) == 9);
  REQUIRE(rig.engine.withdraw());
  CHECK(rig.ram == rig.original);
}

TEST_CASE("80 soft step: a jump under a site is carried out without the guest") {
  Rig rig;
  rig.code({jal(ra, 8), nop, addi(a0, a0, 1)});
  REQUIRE(rig.insert(PointKind::software, entry));
  CHECK(rig.step() == entry + 8);
  CHECK(rig.kernel.x(rig.fd(), ra) == entry + 4);
  CHECK(rig.kernel.executed == 0);
  CHECK(rig.step() == entry + 12);
  REQUIRE(rig.engine.withdraw());
  CHECK(rig.ram == rig.original);
}

TEST_CASE("80 soft step: through a range, jumps and calls included") {
  Rig rig;
  rig.code({addi(a0, a0, 1), bne(a0, a2, -4), addi(a0, a0, 64), nop});
  rig.kernel.x(rig.fd(), a2) = 5;
  REQUIRE(rig.resume({Motion::step}, {StepRange{entry, entry + 8}}));
  CHECK(rig.last<Stepped>() != nullptr);
  CHECK(rig.stops.size() == 1);
  CHECK(rig.pc() == entry + 8);
  CHECK(rig.kernel.x(rig.fd(), a0) == 5);
  CHECK(rig.ram == rig.original);
}

TEST_CASE("80 soft step: an instruction that turns paging on ends where its successor is then") {
  constexpr std::uint64_t alias = 0x40000000, root = 0x8000, middle = 0x9000, last = 0xa000;
  constexpr std::uint64_t pointer = 1, page = 0xcf; // V; V, R, W, X, A, D
  Rig rig;
  rig.code({nop, nop, nop});
  rig.put<std::uint64_t>(root + 8, {middle >> 2 | pointer});
  rig.put<std::uint64_t>(middle, {last >> 2 | pointer});
  rig.put<std::uint64_t>(last + 8, {entry >> 2 | page});
  rig.kernel.csr(rig.fd(), Csr::stvec) = alias + entry + 4; // as Linux has it at that moment
  rig.kernel.before_instruction = [&](Fd fd, std::uint64_t pc) {
    if (pc == entry + 4) rig.kernel.csr(fd, Csr::satp) = std::uint64_t{8} << 60 | root >> 12;
    if (rig.kernel.executed > 100) rig.engine.interrupt({});
  };
  CHECK(rig.step() == alias + entry + 4);
  CHECK(rig.ram == rig.original);
  CHECK(rig.step() == alias + entry + 8);
}

TEST_CASE("80 soft step: LR to SC runs as a whole, and succeeds") {
  Rig rig;
  rig.code({lr_d(t0, a1), bne(t0, a2, 16), sc_d(t1, a0, a1), bne(t1, 0, -12), nop, nop});
  rig.kernel.x(rig.fd(), a1) = data;
  rig.kernel.x(rig.fd(), a0) = 77;
  SECTION("to behind the store") {
    CHECK(rig.step() == entry + 12);
    CHECK(rig.get(data) == 77);
    CHECK(rig.kernel.x(rig.fd(), t1) == 0);
    CHECK(rig.step() == entry + 16);
  }
  SECTION("or out of it") {
    rig.kernel.x(rig.fd(), a2) = 1;
    CHECK(rig.step() == entry + 20);
    CHECK(rig.get(data) == 0);
  }
  SECTION("also off a site") {
    REQUIRE(rig.insert(PointKind::software, entry));
    CHECK(rig.step() == entry + 12);
    CHECK(rig.get(data) == 77);
    REQUIRE(rig.engine.withdraw());
  }
  SECTION("a site in the sequence stops it") {
    REQUIRE(rig.insert(PointKind::software, entry + 8));
    CHECK(rig.step() == entry + 8);
    CHECK(rig.last<HitPoint>() != nullptr);
    REQUIRE(rig.engine.withdraw());
  }
  rig.put<std::uint64_t>(data, {0});
  Rig fresh;
  fresh.code({lr_d(t0, a1), bne(t0, a2, 16), sc_d(t1, a0, a1), bne(t1, 0, -12), nop, nop});
  CHECK(rig.ram == fresh.ram);
}

TEST_CASE("80 soft step: a watch by stepping sees what a sequence stores") {
  Rig rig;
  rig.code({lr_d(t0, a1), addi(t0, t0, 1), sc_d(t1, t0, a1), ld(t0, 0, a1), jal(0, -16)});
  rig.kernel.x(rig.fd(), a1) = data;
  REQUIRE(rig.insert(PointKind::write, data, 8));
  REQUIRE(rig.resume(Motion::run));
  REQUIRE(rig.last<HitWatch>() != nullptr);
  CHECK(rig.last<HitWatch>()->address == data);
  CHECK(rig.pc() == entry + 12);
  CHECK(rig.get(data) == 1);
}

TEST_CASE("80 soft step: read and access watches know loads by their operands") {
  Rig rig;
  rig.code({nop, ld(t0, 0, a1), addi(t0, t0, 1), sd(t0, 0, a1), jal(0, -16)});
  rig.kernel.x(rig.fd(), a1) = data;
  REQUIRE(rig.insert(PointKind::read, data + 4, 4));
  REQUIRE(rig.resume(Motion::run));
  REQUIRE(rig.last<HitWatch>() != nullptr);
  CHECK(rig.pc() == entry + 8);
  REQUIRE(rig.remove(PointKind::read, data + 4, 4));
  REQUIRE(rig.insert(PointKind::write, data, 8));
  REQUIRE(rig.resume(Motion::run));
  CHECK(rig.pc() == entry + 16);
  CHECK(rig.get(data) == 1);
}

TEST_CASE("80 soft step: an interrupt in between is handled, and the step ends where it should") {
  Rig rig;
  install_handler(rig);
  rig.code({addi(a0, a0, 1), addi(a0, a0, 2), jal(0, -8)});
  bool raised = false;
  rig.kernel.before_instruction = [&](Fd fd, std::uint64_t pc) {
    if (pc == entry && !std::exchange(raised, true)) rig.kernel.interrupt(fd);
  };
  CHECK(rig.step() == entry + 4);
  CHECK(rig.get(data + 8) == 1);
  CHECK(rig.kernel.x(rig.fd(), a0) == 1);
}

TEST_CASE("80 soft step: a fault of the instruction is the guest's, who brings the page") {
  Rig rig;
  install_handler(rig);
  // The handler makes the load good by moving its base, then goes back to it.
  rig.put<Word>(handler, {addi(a1, zero, 0x7f0), sret});
  rig.code({ld(a0, 0, a1), nop});
  rig.put<std::uint64_t>(0x7f0, {123});
  rig.put<std::uint64_t>(0x8000, {0x2401 | 0, 0}); // root: [0] -> 0x9000
  rig.put<std::uint64_t>(0x9000, {0x2801});        // [0] -> 0xa000
  for (std::uint64_t page = 0; page < 16; ++page) {
    rig.put<std::uint64_t>(0xa000 + 8 * page, {page << 10 | 0xcf});
  }
  rig.kernel.csr(rig.fd(), Csr::satp) = std::uint64_t{8} << 60 | 8;
  rig.kernel.x(rig.fd(), a1) = 0x12345000;
  CHECK(rig.step() == entry + 4);
  CHECK(rig.kernel.x(rig.fd(), a0) == 123);
  CHECK(rig.ram == rig.original);
  SECTION("and where the next page is missing, the fault at its handler ends the step") {
    rig.put<std::uint64_t>(0xa000 + 8 * 2, {0});
    rig.put<Word>(0x1ffc, {addi(a0, a0, 1)});
    REQUIRE(rig.write("pc", 0x1ffc));
    CHECK(rig.step() == handler);
    CHECK(rig.kernel.x(rig.fd(), a0) == 124);
    CHECK(rig.kernel.csr(rig.fd(), Csr::sepc) == 0x2000);
  }
}

TEST_CASE("80 soft step: kicked on its way, in a handler, it goes on to where it was to end") {
  Rig rig;
  install_handler(rig);
  rig.code({addi(a0, a0, 1), addi(a0, a0, 2), jal(0, -8)});
  REQUIRE(rig.insert(PointKind::software, entry));
  bool raised = false, kicked = false;
  SECTION("by ourselves: nobody hears of it") {
    rig.kernel.before_instruction = [&](Fd fd, std::uint64_t pc) {
      if (pc == entry && !std::exchange(raised, true)) return rig.kernel.interrupt(fd);
      if (pc == handler + 4 && !std::exchange(kicked, true)) rig.vmm.halt();
    };
    CHECK(rig.step() == entry + 4);
    CHECK(kicked);
    CHECK(rig.stops.size() == 1);
    CHECK(rig.kernel.x(rig.fd(), a0) == 1);
  }
  SECTION("by a client: the stop is where the vCPU is") {
    rig.kernel.before_instruction = [&](Fd fd, std::uint64_t pc) {
      if (pc == entry && !std::exchange(raised, true)) return rig.kernel.interrupt(fd);
      if (pc == handler + 4 && !std::exchange(kicked, true)) rig.engine.interrupt({});
    };
    REQUIRE(rig.resume(Motion::step));
    CHECK(rig.last<Interrupted>() != nullptr);
    CHECK(rig.pc() == handler + 4);
    CHECK(rig.step() == handler + 8);
    REQUIRE(rig.resume(Motion::run));
    CHECK(rig.pc() == entry); // the interrupted instruction, under its site: not yet done
    CHECK(rig.kernel.x(rig.fd(), a0) == 0);
  }
  CHECK(rig.get(data + 8) == 1);
  REQUIRE(rig.engine.withdraw());
  rig.put<std::uint64_t>(data + 8, {0});
  CHECK(std::equal(rig.ram.begin(), rig.ram.begin() + 0x2000, rig.original.begin()));
  CHECK(rig.get<Word>(entry) == addi(a0, a0, 1));
  CHECK(rig.get<Word>(entry + 4) == addi(a0, a0, 2));
  CHECK(rig.get<Word>(handler + 8) == sd(t1, 8, a1));
}

TEST_CASE("80 soft step: halted between being carried out and being told of, a jump is told of") {
  Rig rig;
  rig.code({jal(0, 8), nop, nop});
  REQUIRE(rig.engine.resume(Resume{{Motion::step}}));
  // A pause comes just as the vCPU is let go: after begin_step has moved it.
  rig.vmm.post([&] { rig.vmm.halt(); });
  rig.vmm.drain();
  CHECK(rig.last<Stepped>() != nullptr);
  CHECK(rig.pc() == entry + 8);
  CHECK(rig.stops.size() == 1);
}

TEST_CASE("80 soft step: one vCPU steps while the others run, and none runs into its temporaries") {
  Rig rig(3);
  rig.code({addi(a0, a0, 1), addi(a0, a0, 2), addi(a0, a0, 4), jal(0, -12)});
  REQUIRE(rig.resume({Motion::run, Motion::step, Motion::run}));
  REQUIRE(rig.stops.size() == 1);
  CHECK(rig.last<Stepped>(1) != nullptr);
  CHECK(rig.stops.back().vcpus.size() == 1);
  CHECK(rig.pc(1) == entry + 4);
  CHECK(rig.ram == rig.original);
}

TEST_CASE("80 soft step: each of several vCPUs that are to step does step") {
  Rig rig(2);
  rig.code({addi(a0, a0, 1), addi(a0, a0, 2), addi(a0, a0, 4), jal(0, -12)});
  for (std::uint64_t n = 1; n <= 3; ++n) {
    REQUIRE(rig.resume(Motion::step));
    CHECK(rig.pc(0) == entry + 4 * n);
    CHECK(rig.pc(1) == entry + 4 * n);
    CHECK(rig.last<Stepped>(0) != nullptr);
    CHECK(rig.last<Stepped>(1) != nullptr);
  }
  CHECK(rig.stops.size() == 3);
  CHECK(rig.ram == rig.original);
}

TEST_CASE("80 soft step: a watch by stepping goes through all vCPUs in turn") {
  Rig rig(2);
  rig.code({addi(a0, a0, 1), sd(a0, 0, a1), jal(0, -8)});
  rig.kernel.x(rig.fd(0), a1) = data + 64;
  rig.kernel.x(rig.fd(1), a1) = data;
  REQUIRE(rig.insert(PointKind::write, data, 8));
  for (std::uint64_t value = 1; value <= 3; ++value) {
    REQUIRE(rig.resume(Motion::run));
    REQUIRE(rig.last<HitWatch>(1) != nullptr);
    CHECK(rig.get(data) == value);
    CHECK(rig.get(data + 64) + 1 >= value); // the other one is not left behind
  }
}

TEST_CASE("80 soft step: whichever ioctl fails, the run ends and memory is as it was") {
  bool failed = true;
  int n = 0;
  for (; failed && n < 1000; ++n) {
    INFO("ioctl " << n);
    Rig rig(2);
    rig.code({addi(a0, a0, 1), lr_d(t0, a1), sc_d(t0, a0, a1), jal(0, -12)});
    rig.kernel.x(rig.fd(0), a1) = rig.kernel.x(rig.fd(1), a1) = data;
    REQUIRE(rig.insert(PointKind::software, entry));
    REQUIRE(rig.insert(PointKind::software, entry + 4));
    rig.kernel.fail_nth(n, EIO);
    std::size_t ended = 0;
    for (const Motion motion : {Motion::step, Motion::run, Motion::step}) {
      if (rig.resume(motion)) ++ended; // refused: nothing has moved
    }
    failed = !rig.kernel.failure_pending();
    rig.kernel.fail_nth(-1, 0);
    CHECK(rig.stops.size() == ended);
    REQUIRE(rig.engine.withdraw());
    rig.put<std::uint64_t>(data, {0});
    Rig fresh;
    fresh.code({addi(a0, a0, 1), lr_d(t0, a1), sc_d(t0, a0, a1), jal(0, -12)});
    CHECK(rig.ram == fresh.ram);
    CHECK(rig.kernel.vcpu(rig.fd(0)).control == 0);
  }
  CHECK(n > 20); // so many ioctls there are
}

TEST_CASE("80 soft step: an MMIO store is served, completed, and stepped") {
  Rig rig;
  rig.code({sd(a0, 0, a1), nop});
  rig.kernel.x(rig.fd(), a1) = 0x100000;
  CHECK(rig.step() == entry + 4);
  CHECK(rig.vmm.served == 1);
}

TEST_CASE("83 points in neighbouring halves of an instruction leave memory as it was") {
  const std::uint64_t elsewhere = 0x2000;
  for (const bool second_first : {false, true}) {
    Rig rig;
    rig.put<Word>(elsewhere, {nop, nop, nop, nop});
    rig.code({addi(a0, a0, 1), addi(a0, a0, 2)});
    REQUIRE(rig.write("pc", elsewhere));
    const std::uint64_t first = entry + (second_first ? 2 : 0),
                        second = entry + (second_first ? 0 : 2);
    REQUIRE(rig.insert(PointKind::software, first));
    CHECK(rig.step() == elsewhere + 4);
    REQUIRE(rig.insert(PointKind::software, second));
    CHECK(rig.step() == elsewhere + 8);
    CHECK(rig.get<std::uint16_t>(entry) == c_ebreak);
    CHECK(rig.get<std::uint16_t>(entry + 2) == c_ebreak);
    auto shown = rig.engine.read_memory(VcpuId{0}, Address{entry}, 8);
    REQUIRE(shown);
    CHECK(std::equal((*shown).begin(), (*shown).end(), rig.original.begin() + entry));
    REQUIRE(rig.remove(PointKind::software, first));
    CHECK(rig.step() == elsewhere + 12);
    REQUIRE(rig.engine.withdraw());
    CHECK(rig.ram == rig.original);
  }
}
