// LoongArch under KVM: what stops a vCPU, how it is stepped, what the probe finds out.
#include "tests/arch_contract/loongarch64_rig.hpp"

#include <algorithm>
#include <cerrno>

using namespace kdbg;
using namespace kdbg::kvm;
using namespace kdbg::test::la;
using loongarch64::Csr;

namespace {

constexpr std::uint64_t entry = Rig::entry, data = Rig::data, handler = Rig::handler;

bool some_note_has(const HostFacts& found, std::string_view text) {
  return std::any_of(found.notes.begin(), found.notes.end(),
                     [&](const std::string& note) { return note.find(text) != std::string::npos; });
}

Result<HostFacts> probed(const std::function<void(kdbg::test::ScriptedLoongArchKernel&)>& prepare) {
  Bytes ram(0x10000);
  kdbg::test::ScriptedLoongArchKernel kernel(ram);
  prepare(kernel);
  return loongarch64::probe(kernel);
}

} // namespace

TEST_CASE("76b loongarch64: KVM_SET_GUEST_DEBUG has the number of an 8-byte structure") {
  Rig rig;
  rig.code({nop, nop});
  REQUIRE(rig.insert(PointKind::software, entry + 4));
  REQUIRE(rig.resume(Motion::run));
  CHECK(rig.last<HitPoint>() != nullptr);
  const auto& log = rig.kernel.log;
  CHECK(std::count(log.begin(), log.end(), 0x4008ae9bul) == 1);
  CHECK(std::count(log.begin(), log.end(), 0x400cae9bul) == 0); // an empty structure in C++
  CHECK(rig.kernel.vcpu(rig.fd()).control == 0x10001);
  CHECK(sizeof(PlainGuestDebug) == 8);
}

TEST_CASE("77 loongarch64: the breakpoint instruction is the one that KVM names") {
  for (const std::uint32_t code : {0x101u, 0x155u}) {
    auto found = probed([&](auto& kernel) { kernel.breakpoint_code = code; });
    REQUIRE(found);
    CHECK((*found).breakpoint_word == (hvcl | code));
    CHECK((*found).breakpoint_exit);
    const auto arch = make_loongarch64(*found);
    const Bytes four(4);
    const ByteView ours = arch->breakpoint_instruction(four);
    REQUIRE(ours.size() == 4);
    CHECK(std::to_integer<unsigned>(ours[0]) == (code & 0xff));
    CHECK(arch->breakpoint_instruction(ByteView(four).first(3)).empty());

    Rig rig(1, *found);
    CHECK(Traits::make()->breakpoint_instruction(four).size() == 4);
  }
  auto old = probed([](auto& kernel) { kernel.breakpoint_code = 0; });
  REQUIRE(old);
  CHECK((*old).breakpoint_word == 0);
  CHECK_FALSE((*old).steps());
  CHECK(some_note_has(*old, "KVM_REG_LOONGARCH_DEBUG_INST is not there"));
  CHECK(make_loongarch64(*old)->breakpoint_instruction(Bytes(4)).empty());
}

TEST_CASE("77 loongarch64: the word is used, whatever it is") {
  kvm::HostFacts other = facts();
  other.breakpoint_word = hvcl | 0x155;
  const auto arch = make_loongarch64(other);
  Bytes ram(0x10000);
  const Word code[] = {addi(a0, a0, 1), addi(a0, a0, 2), jump(b, -8)};
  std::memcpy(ram.data() + entry, code, sizeof code);
  const Bytes original = ram;
  kdbg::test::ScriptedLoongArchKernel kernel(ram);
  kernel.breakpoint_code = 0x155;
  const Fd fd = kernel.add_vcpu(entry);
  kdbg::test::LoopVmm vmm(kernel, *arch, other, ram, std::span(&fd, 1));
  Engine engine(vmm, *arch, other, [](const Event&) {});
  vmm.engine = &engine;
  REQUIRE(engine.insert(VcpuId{0}, Point{PointKind::software, Address{entry + 4}, 4}));
  REQUIRE(engine.resume(Resume{{Motion::run}}));
  vmm.drain();
  CHECK(kernel.at(fd) == entry + 4);
  std::uint32_t there = 0;
  std::memcpy(&there, ram.data() + entry + 4, sizeof there);
  CHECK(there == (hvcl | 0x155));
  REQUIRE(engine.withdraw());
  CHECK(ram == original);
}

TEST_CASE("78 loongarch64: the guest's own hypercall of that code is answered as an unknown one") {
  Rig rig;
  rig.code({hvcl | 0x101, addi(a0, a0, 5), nop});
  SECTION("in passing") {
    REQUIRE(rig.insert(PointKind::software, entry + 8));
    REQUIRE(rig.resume(Motion::run));
    CHECK(rig.pc() == entry + 8);
    CHECK(rig.kernel.r(rig.fd(), a0) == 4);
    CHECK(rig.stops.size() == 1);
  }
  SECTION("stepped") {
    CHECK(rig.step() == entry + 4);
    CHECK(rig.kernel.r(rig.fd(), a0) == ~std::uint64_t{0});
  }
  SECTION("stepped off a site that stands on it") {
    REQUIRE(rig.insert(PointKind::software, entry));
    CHECK(rig.step() == entry + 4);
    CHECK(rig.kernel.r(rig.fd(), a0) == ~std::uint64_t{0});
    CHECK(rig.step() == entry + 8);
    CHECK(rig.kernel.r(rig.fd(), a0) == 4);
  }
  SECTION("other hypercalls are KVM's") {
    rig.code({hvcl | 0x100, addi(a0, a0, 5), nop});
    rig.kernel.r(rig.fd(), a0) = 9;
    CHECK(rig.step() == entry + 4);
    CHECK(rig.kernel.r(rig.fd(), a0) == 0);
  }
  REQUIRE(rig.engine.withdraw());
  CHECK(rig.ram == rig.original);
}

TEST_CASE("79 loongarch64: SINGLESTEP that is accepted and ignored is found out") {
  auto inert = probed([](auto&) {});
  REQUIRE(inert);
  CHECK_FALSE((*inert).single_step);
  CHECK((*inert).soft_step);
  CHECK((*inert).loops_per_second > 0);
  CHECK(some_note_has(*inert, "ran on to the next breakpoint"));
  CHECK(some_note_has(*inert, "instead: a step runs alone up to a temporary breakpoint"));
  auto steps = probed([](auto& kernel) { kernel.steps = true; });
  REQUIRE(steps);
  CHECK(some_note_has(*steps, "makes no use of"));
  auto silent = probed([](auto& kernel) { kernel.breakpoint_exits = false; });
  REQUIRE(silent);
  CHECK_FALSE((*silent).steps());
  CHECK(some_note_has(*silent, "its hypercall does not exit"));
}

TEST_CASE("80 loongarch64: soft step of each branch kind, taken and not") {
  struct Row {
    Word word;
    std::uint64_t left, right; ///< in t0, t1
    std::uint64_t after;
    bool links = false;
  };
  constexpr auto minus = ~std::uint64_t{0};
  constexpr Row rows[] = {
      {branch(0x16, t0, t1, 64), 5, 5, 64},
      {branch(0x16, t0, t1, 64), 5, 6, 4},
      {branch(0x17, t0, t1, -64), 5, 6, static_cast<std::uint64_t>(-64)},
      {branch(0x17, t0, t1, -64), 5, 5, 4},
      {branch(0x18, t0, t1, 64), minus, 1, 64},
      {branch(0x18, t0, t1, 64), 1, minus, 4},
      {branch(0x19, t0, t1, 64), 1, minus, 64},
      {branch(0x19, t0, t1, 64), minus, 1, 4},
      {branch(0x1a, t0, t1, 64), 1, minus, 64},
      {branch(0x1a, t0, t1, 64), minus, 1, 4},
      {branch(0x1b, t0, t1, 64), minus, 1, 64},
      {branch(0x1b, t0, t1, 64), 1, minus, 4},
      {branch_zero(0x10, t0, 64), 0, 0, 64},
      {branch_zero(0x10, t0, 64), 1, 0, 4},
      {branch_zero(0x11, t0, -64), 1, 0, static_cast<std::uint64_t>(-64)},
      {branch_zero(0x11, t0, 64), 0, 0, 4},
      {branch_zero(0x12, 3, 64), 0, 0, 4},      // bceqz $fcc3, which is set
      {branch_zero(0x12, 3 | 8, 64), 0, 0, 64}, // bcnez $fcc3
      {branch_zero(0x12, 2, 64), 0, 0, 64},
      {branch_zero(0x12, 2 | 8, 64), 0, 0, 4},
      {jump(b, 0x800), 0, 0, 0x800},
      {jump(bl, -64), 0, 0, static_cast<std::uint64_t>(-64), true},
      {branch(0x13, t0, ra, 8), entry + 0x100, 0, 0x108, true},
      {branch(0x13, ra, ra, 8), 0, 0, 8, true}, // from the register that it links to
      {branch(0x13, t0, zero, 0), entry + 0x40, 0, 0x40},
  };
  for (const Row& row : rows) {
    INFO(std::hex << row.word);
    for (const bool by_us : {true, false}) {
      Rig rig;
      rig.code({row.word, nop});
      rig.kernel.r(rig.fd(), t0) = row.left;
      rig.kernel.r(rig.fd(), t1) = row.right;
      rig.kernel.r(rig.fd(), ra) = entry;
      rig.kernel.fcc(rig.fd()) = std::uint64_t{1} << 24;
      if (by_us) {
        CHECK(rig.step() == entry + row.after);
        CHECK(rig.kernel.executed == 0);
      } else { // and so the CPU would have it
        rig.kernel.before_instruction = [&](Fd, std::uint64_t) {
          if (rig.kernel.executed == 1) rig.engine.interrupt({});
        };
        REQUIRE(rig.resume(Motion::run));
        CHECK(rig.pc() == entry + row.after);
      }
      CHECK(rig.kernel.r(rig.fd(), ra) == (row.links ? entry + 4 : entry));
      CHECK(rig.ram == rig.original);
    }
  }
}

TEST_CASE("80 loongarch64: traps by design end the step where the CPU goes") {
  Rig rig;
  rig.kernel.csr(rig.fd(), Csr::eentry) = handler;
  rig.put<Word>(handler + 0x200, {nop});
  SECTION("syscall and break, one entry for all") {
    rig.code({own_syscall | 3, own_break});
    CHECK(rig.step() == handler);
    CHECK(rig.kernel.csr(rig.fd(), Csr::era) == entry);
    REQUIRE(rig.write("pc", entry + 4));
    CHECK(rig.step() == handler);
  }
  SECTION("vectors apart by ECFG.VS") {
    rig.code({own_syscall, own_break});
    rig.kernel.csr(rig.fd(), Csr::ecfg) = 3u << 16; // 8 instructions each
    CHECK(rig.step() == handler + 0xb * 32);
    REQUIRE(rig.write("pc", entry + 4));
    CHECK(rig.step() == handler + 0xc * 32);
  }
  SECTION("ertn: at ERA, in the mode that was saved") {
    rig.code({ertn});
    rig.kernel.csr(rig.fd(), Csr::era) = 0x3000;
    rig.kernel.csr(rig.fd(), Csr::prmd) = 7;
    CHECK(rig.step() == 0x3000);
    CHECK(rig.read("crmd") == (loongarch64::crmd_da | 7));
  }
  SECTION("ertn from a process is not allowed") {
    rig.code({ertn});
    rig.kernel.csr(rig.fd(), Csr::crmd) = loongarch64::crmd_da | 3;
    CHECK(rig.step() == handler);
  }
  SECTION("ertn from a TLB refill turns mapping on") {
    rig.code({ertn});
    rig.kernel.csr(rig.fd(), Csr::tlbrera) = 0x9000000000003001;
    rig.kernel.csr(rig.fd(), Csr::tlbrprmd) = 4;
    rig.kernel.csr(rig.fd(), Csr::dmw0) = 0x9000000000000011;
    CHECK(rig.step() == 0x9000000000003000);
    CHECK(rig.read("crmd") == (loongarch64::crmd_pg | loongarch64::crmd_ie));
    CHECK(rig.read("tlbrera") == 0x9000000000003000);
    CHECK(rig.kernel.executed == 0);
  }
  SECTION("idle: behind it at once") {
    rig.code({idle, nop});
    CHECK(rig.step() == entry + 4);
    CHECK(rig.kernel.executed == 0);
  }
  CHECK(rig.ram == rig.original);
}

TEST_CASE("80 loongarch64: LL to SC runs as a whole, and succeeds") {
  Rig rig;
  rig.code({ll(t0, a1), branch(bne, t0, a2, 20), addi(t1, t0, 9), sc(t1, a1),
            branch_zero(0x10, t1, -16), nop, nop});
  rig.kernel.r(rig.fd(), a1) = data;
  rig.kernel.r(rig.fd(), a2) = 1;
  SECTION("to behind the store") {
    rig.put<std::uint64_t>(data, {1});
    CHECK(rig.step() == entry + 16);
    CHECK(rig.get(data) == 10);
    CHECK(rig.kernel.r(rig.fd(), t1) == 1);
    CHECK(rig.step() == entry + 20);
  }
  SECTION("or out of it") {
    CHECK(rig.step() == entry + 24);
    CHECK(rig.get(data) == 0);
  }
  SECTION("a site in it stops it") {
    rig.put<std::uint64_t>(data, {1});
    REQUIRE(rig.insert(PointKind::software, entry + 8));
    CHECK(rig.step() == entry + 8);
    CHECK(rig.last<HitPoint>() != nullptr);
    REQUIRE(rig.engine.withdraw());
  }
  SECTION("a watch sees the store") {
    rig.put<std::uint64_t>(data, {1});
    REQUIRE(rig.insert(PointKind::write, data, 8));
    REQUIRE(rig.resume(Motion::run));
    CHECK(rig.last<HitWatch>() != nullptr);
    CHECK(rig.pc() == entry + 16);
  }
  rig.put<std::uint64_t>(data, {0});
  Rig fresh;
  fresh.code({ll(t0, a1), branch(bne, t0, a2, 20), addi(t1, t0, 9), sc(t1, a1),
              branch_zero(0x10, t1, -16), nop, nop});
  CHECK(rig.ram == fresh.ram);
}

TEST_CASE("80 loongarch64: mapped code is stepped through its window, from a process too") {
  Rig rig;
  rig.code({addi(a0, a0, 1), own_syscall, nop});
  rig.put<Word>(handler, {ld(t0, a1, 0), nop});
  auto& kernel = rig.kernel;
  kernel.csr(rig.fd(), Csr::dmw0) = 0x9000000000000011; // privilege level 0, cached
  kernel.csr(rig.fd(), Csr::pgdl) = 0x8000;
  kernel.csr(rig.fd(), Csr::pwcl) = 12 | 9 << 5 | 21 << 10 | 9 << 15;
  rig.put<std::uint64_t>(0x8000, {0x9000});
  rig.put<std::uint64_t>(0x9000 + 8 * 1, {0x1000 | 0x18f}); // entry's page, for processes
  kernel.csr(rig.fd(), Csr::crmd) = loongarch64::crmd_pg | 3;
  kernel.csr(rig.fd(), Csr::eentry) = 0x9000000000000000 + handler;
  kernel.r(rig.fd(), a1) = 0x9000000000000000 + data;
  CHECK(rig.step() == entry + 4);
  CHECK(rig.step() == 0x9000000000000000 + handler);
  CHECK(rig.cpu().describe() == "privilege level 0, mapped addressing");
  CHECK(rig.step() == 0x9000000000000000 + handler + 4);
  CHECK(rig.ram == rig.original);
}

TEST_CASE("81 loongarch64: hardware points are refused, with what the kernel lacks") {
  Rig rig;
  const auto refused = rig.insert(PointKind::hardware, entry);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Code::unsupported);
  CHECK(refused.error().what.find("not supported on loongarch64 KVM") != std::string::npos);
  CHECK(refused.error().what.find("KVM_GUESTDBG_USE_HW") != std::string::npos);
  for (const PointKind kind : {PointKind::write, PointKind::read, PointKind::access}) {
    CHECK(rig.insert(kind, data, 8));
  }
  rig.code({nop, nop});
  CHECK(rig.step() == entry + 4);
  for (const PointState& point : rig.engine.points()) {
    CHECK(point.strategy == "every instruction single-stepped: slow");
  }
  auto found = probed([](auto&) {});
  REQUIRE(found);
  CHECK(some_note_has(*found, "watches compare memory after every instruction, slow"));
  CHECK_FALSE(rig.insert(PointKind::software, entry + 2)); // not aligned to 4
}

TEST_CASE("86 loongarch64: without the capability the probe asks nothing more") {
  auto found = probed([](auto& kernel) { kernel.extension.clear(); });
  REQUIRE(found);
  CHECK_FALSE((*found).guest_debug);
  CHECK(some_note_has(*found, "KVM_CAP_SET_GUEST_DEBUG is 0"));
}

TEST_CASE("87 loongarch64: KVM_SET_GUEST_DEBUG's errno is told") {
  for (const int error : {ENOTTY, EINVAL}) {
    auto found = probed([&](auto& kernel) { kernel.refused[set_plain_guest_debug] = error; });
    REQUIRE(found);
    CHECK_FALSE((*found).steps());
    CHECK(some_note_has(*found, "errno " + std::to_string(error)));
  }
}

TEST_CASE("87 loongarch64: an interrupt and a kick on the way of a step") {
  Rig rig;
  rig.put<Word>(handler, {ld(t0, a1, 8), addi(t0, t0, 1), st(t0, a1, 8), ertn});
  rig.code({addi(a0, a0, 1), nop});
  rig.kernel.csr(rig.fd(), Csr::eentry) = handler;
  rig.kernel.csr(rig.fd(), Csr::crmd) |= loongarch64::crmd_ie;
  rig.kernel.r(rig.fd(), a1) = data;
  bool raised = false, kicked = false;
  rig.kernel.before_instruction = [&](Fd fd, std::uint64_t pc) {
    if (pc == entry && !std::exchange(raised, true)) return rig.kernel.interrupt(fd);
    if (pc == handler + 4 && !std::exchange(kicked, true)) rig.vmm.halt();
  };
  CHECK(rig.step() == entry + 4);
  CHECK(kicked);
  CHECK(rig.get(data + 8) == 1);
  CHECK(rig.kernel.r(rig.fd(), a0) == 1);
}
