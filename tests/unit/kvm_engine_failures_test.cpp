// The engine on a scripted KVM: any ioctl failing at any moment, exits that end the guest, and
// exits that are served.
#include "tests/unit/kvm_engine_rig.hpp"

#include <algorithm>
#include <cerrno>

using namespace kdbg;
using namespace kdbg::test::on_scripted_kvm;
using kdbg::test::ScriptedVmm;

namespace {

/// A session with every kind of site: true when nothing in it failed.
bool scenario(Rig& rig) {
  const Point software = at(PointKind::software, entry + 1),
              watch = at(PointKind::write, ScriptedVmm::data, 4);
  bool ok = bool(rig.engine.insert(VcpuId{0}, software));
  ok = bool(rig.engine.insert(VcpuId{0}, watch)) && ok;
  for (const Motion motion : {Motion::run, Motion::run, Motion::step, Motion::run}) {
    ok = bool(rig.resume(motion)) && ok;
    ok = rig.last<Crashed>() == nullptr && ok;
    ok = bool(rig.engine.read_register(VcpuId{0}, rig.engine.arch().pc)) && ok;
  }
  return ok;
}

} // namespace

TEST_CASE("whatever ioctl fails, the caller hears of it and no site is left behind") {
  for (const HostFacts& facts : {hardware(), emulating()}) {
    int n = 0;
    for (;; ++n) {
      Rig rig(facts, {0x90, 0x90, 0xff, 0x07, 0xe6, 0x80, 0xeb, 0xf8});
      rig.vmm.kernel.fail_nth(n, EIO);
      const bool ok = scenario(rig);
      const bool failed = !rig.vmm.kernel.failure_pending();
      INFO("ioctl " << n << " failed: " << std::hex
                    << rig.vmm.kernel.log[static_cast<std::size_t>(n) % rig.vmm.kernel.log.size()]);
      CHECK(ok == !failed);
      CHECK_FALSE(rig.engine.running());
      rig.vmm.kernel.fail_nth(-1, 0);
      REQUIRE(rig.engine.withdraw());
      CHECK(rig.vmm.kernel.debug(rig.vmm.fd()).control == 0);
      Bytes now = rig.vmm.ram;
      std::fill_n(now.begin() + ScriptedVmm::data, 4, std::byte{}); // the guest's own counter
      CHECK(now == rig.original);
      if (!failed) break;
    }
    CHECK(n > 15);
  }
}

TEST_CASE(
    "on a KVM that can do nothing, every wish is refused with a reason and the guest still runs") {
  Rig rig(HostFacts{}, {0x90, 0xf4});
  for (const PointKind kind :
       {PointKind::software, PointKind::hardware, PointKind::write, PointKind::access}) {
    auto refused = rig.engine.insert(VcpuId{0}, at(kind, entry));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Code::unsupported);
    CHECK(refused.error().what.size() > 40);
  }
  CHECK(rig.resume(Motion::step).error().code == Code::unsupported);
  CHECK(rig.vmm.rip() == entry);
  REQUIRE(rig.resume(Motion::run));
  CHECK(rig.last<Halted>() != nullptr);
}

TEST_CASE(
    "while the guest runs, physical memory and the page tables of the last stop can be read") {
  Rig rig(hardware(), {0x90, 0xeb, 0xfd});
  REQUIRE(rig.engine.resume(Resume{std::vector{Motion::run}})); // not drained: it runs
  REQUIRE(rig.engine.running());
  CHECK(rig.engine.read_memory(VcpuId{0}, Address{entry, {Space::Kind::physical}}, 1));
  CHECK(rig.engine.read_memory(VcpuId{0}, Address{entry}, 1));
  CHECK(rig.engine.read_register(VcpuId{0}, RegisterId{0}).error().code == Code::running);
  CHECK(rig.engine.write_memory(VcpuId{0}, Address{entry}, Bytes(1)).error().code == Code::running);
  rig.engine.interrupt({});
  rig.vmm.drain();
  CHECK(rig.last<Interrupted>() != nullptr);
}

TEST_CASE("what the guest cannot survive is a stop with the registers as they are") {
  struct End {
    test::ScriptedKernel::Exit exit;
    std::string_view words;
  };
  const End ends[] = {{{KVM_EXIT_SHUTDOWN, 0}, "triple fault"},
                      {{KVM_EXIT_FAIL_ENTRY, 0x80000021}, "0x80000021"},
                      {{KVM_EXIT_INTERNAL_ERROR, 3}, "KVM internal error 3"}};
  for (const End& end : ends) {
    Rig rig(hardware(), {0x90, 0xf4});
    rig.vmm.kernel.next_exit = end.exit;
    REQUIRE(rig.resume(Motion::run));
    REQUIRE(rig.last<Crashed>() != nullptr);
    CHECK(rig.last<Crashed>()->what.find(end.words) != std::string::npos);
    CHECK(rig.vmm.rip() == entry);
    CHECK(rig.engine.read_register(VcpuId{0}, rig.engine.arch().pc));
    REQUIRE(rig.resume(Motion::run)); // a client may mend it and go on
    CHECK(rig.last<Halted>() != nullptr);
  }
}

TEST_CASE(
    "a port catchpoint stops after the machine has served, in its direction and by its value") {
  Rig rig(hardware(), {0xe6, 0x80, 0xe6, 0x81, 0x90, 0xf4});
  Point port{PointKind::port, Address{0x80}, 2};
  port.reads = false;
  port.value = 7;
  REQUIRE(rig.engine.insert(VcpuId{0}, port));
  CHECK(rig.engine.points()[0].strategy == "pending: placed at the next resume");
  std::uint8_t* data = reinterpret_cast<std::uint8_t*>(&rig.vmm.kernel.page(rig.vmm.fd())) + 0x1000;
  data[0] = 6;
  REQUIRE(rig.resume(Motion::run)); // neither matches
  CHECK(rig.last<Caught>() == nullptr);
  CHECK(rig.vmm.served == 2);
  REQUIRE(rig.engine.write_register(VcpuId{0}, x86_64().info().pc,
                                    Bytes{{}, std::byte{0x10}, {}, {}, {}, {}, {}, {}}));
  data[0] = 7;
  REQUIRE(rig.resume(Motion::run));
  REQUIRE(rig.last<Caught>() != nullptr);
  CHECK(rig.last<Caught>()->number == 0x80);
  CHECK(rig.last<Caught>()->write);
  CHECK(rig.vmm.rip() == entry + 2);
  CHECK(rig.vmm.served == 3);
  CHECK(rig.engine.points()[0].strategy == "exits of the guest, filtered");
  CHECK(rig.engine.points()[0].hits == 1);
  REQUIRE(rig.resume(Motion::step)); // a step and a catch in one stop
  CHECK(rig.last<Caught>() != nullptr);
  CHECK(rig.last<Stepped>() != nullptr);
  CHECK(rig.vmm.rip() == entry + 4);
}

TEST_CASE("no vCPU parks with a served exit that is not completed, whenever the halt comes") {
  for (unsigned look = 1; look < 8; ++look) {
    Rig rig(hardware(), {0xe6, 0x80, 0x90, 0xeb, 0xfb}); // out; nop; jmp
    REQUIRE(rig.engine.resume(Resume{std::vector{Motion::run}}));
    rig.vmm.halts_at_look = look;
    rig.vmm.kernel.log.clear();
    rig.vmm.drain_some(1);
    const auto runs =
        std::count(rig.vmm.kernel.log.begin(), rig.vmm.kernel.log.end(), std::uint64_t{KVM_RUN});
    INFO("look " << look << ", " << runs << " entries, " << rig.vmm.served << " exits served");
    // one entry leads to the first exit, and each is completed by another
    CHECK((runs > rig.vmm.served || (runs == 0 && rig.vmm.served == 0)));
  }
}

TEST_CASE("pages whose protection could not be restored are protected by the next run") {
  HostFacts facts = emulating();
  facts.write_protect = true;
  Rig rig(facts, {0xff, 0x07, 0xff, 0x07, 0xf4});
  rig.vmm.kernel.fails_on_read_only = true;
  REQUIRE(rig.engine.insert(VcpuId{0}, at(PointKind::write, ScriptedVmm::data, 4)));
  rig.vmm.refuses_protect_in = 2; // protected; open; and again
  REQUIRE(rig.resume(Motion::run));
  CHECK(rig.last<Crashed>() != nullptr);
  CHECK(rig.vmm.protected_pages.empty());
  REQUIRE(rig.resume(Motion::run));
  CHECK(rig.vmm.protected_pages == std::vector{ScriptedVmm::data});
  CHECK(rig.last<HitWatch>() != nullptr);
  CHECK(rig.last<Crashed>() == nullptr);
}

TEST_CASE("what KVM is to hand over is told anew after a failure in the middle of it") {
  HostFacts facts = hardware();
  facts.register_exits = true;
  Rig rig(facts, {0xf4});
  const Point one = at(PointKind::msr, 0x10), other = at(PointKind::msr, 0x20);
  REQUIRE(rig.engine.insert(VcpuId{0}, one));
  REQUIRE(rig.resume(Motion::run));
  CHECK(rig.vmm.intercepted.registers.size() == 1);
  REQUIRE(rig.engine.insert(VcpuId{0}, other));
  rig.vmm.refuses_intercept = true;
  CHECK_FALSE(rig.resume(Motion::run));
  rig.vmm.refuses_intercept = false;
  REQUIRE(rig.engine.remove(other));
  REQUIRE(rig.resume(Motion::run));
  CHECK(rig.vmm.intercepted.registers.size() == 1);
  REQUIRE(rig.engine.withdraw());
  CHECK(rig.vmm.intercepted == Intercepts{});
}

TEST_CASE("an MSR access that could not be served is completed before the stop is told") {
  HostFacts facts = hardware();
  facts.register_exits = true;
  Rig rig(facts, {0x90, 0xf4});
  REQUIRE(rig.engine.insert(VcpuId{0}, at(PointKind::msr, 0x10)));
  rig.vmm.kernel.next_exit = test::ScriptedKernel::Exit{KVM_EXIT_X86_RDMSR, 0};
  rig.vmm.kernel.refused[x86::get_msrs] = EFAULT;
  REQUIRE(rig.engine.resume(Resume{std::vector{Motion::run}}));
  rig.vmm.kernel.log.clear();
  rig.vmm.drain();
  REQUIRE(rig.last<Crashed>() != nullptr);
  CHECK(std::count(rig.vmm.kernel.log.begin(), rig.vmm.kernel.log.end(), std::uint64_t{KVM_RUN}) ==
        2);
  CHECK(rig.vmm.kernel.page(rig.vmm.fd()).msr.error == 1);
  rig.vmm.kernel.refused.clear();
  REQUIRE(rig.resume(Motion::run));
  CHECK(rig.last<Caught>() == nullptr); // not once more
}

TEST_CASE("a write to a protected page is no access to a device, and memory none to catch") {
  HostFacts facts = hardware();
  facts.write_protect = true;
  facts.data_watch = false;
  Rig rig(facts, {0xff, 0x07, 0xf4});
  const auto refused = rig.engine.insert(VcpuId{0}, at(PointKind::mmio, ScriptedVmm::data, 4));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Code::bad_request);
  REQUIRE(rig.engine.insert(VcpuId{0}, at(PointKind::mmio, ScriptedVmm::data, 0x10000)));
  REQUIRE(rig.engine.insert(VcpuId{0}, at(PointKind::write, ScriptedVmm::data, 4)));
  REQUIRE(rig.resume(Motion::run));
  CHECK(rig.last<HitWatch>() != nullptr);
  CHECK(rig.last<Caught>() == nullptr);
}
