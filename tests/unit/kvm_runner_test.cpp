// vCPU threads: what is released runs until it is halted, and no halt is ever missed. KVM_RUN's
// stand-in spins until immediate_exit, as a guest that never exits by itself.
#include "kvm/machine/runner.hpp"

#include <catch2/catch.hpp>

#include <atomic>
#include <chrono>

using namespace kdbg;
using namespace kdbg::kvm;
using std::chrono::steady_clock;

namespace {

/// Knows only threads and kicks.
class SpinningKernel final : public Kernel {
public:
  static constexpr std::size_t most = 8;
  std::array<std::uint8_t, most> immediate_exit{};
  std::atomic<unsigned> kicks{0};
  std::atomic<bool> lost{false};

  /// False when nobody interrupted it in a long time.
  bool run(std::size_t n) {
    const auto deadline = steady_clock::now() + std::chrono::seconds(20);
    for (unsigned spins = 1; flag(n).load() == 0; ++spins) {
      if (spins % 64 == 0) std::this_thread::yield();
      if (spins % 4096 == 0 && steady_clock::now() > deadline) {
        lost = true;
        return false;
      }
    }
    return true;
  }
  std::atomic_ref<std::uint8_t> flag(std::size_t n) {
    return std::atomic_ref<std::uint8_t>(immediate_exit[n]);
  }

  Result<Fd> open_kvm() override { return Fd{3}; }
  Result<int> ioctl(Fd, unsigned long, void*) override { return 0; }
  Result<std::span<std::byte>> map_run(Fd, std::size_t) override { return std::span<std::byte>{}; }
  Result<std::span<std::byte>> allocate(std::size_t) override { return std::span<std::byte>{}; }
  void close(Fd) override {}
  ThreadId adopt_thread(std::uint8_t* exit) override {
    return ThreadId{static_cast<int>(exit - immediate_exit.data()) + 1};
  }
  void kick(ThreadId thread) override {
    ++kicks;
    flag(static_cast<std::size_t>(thread) - 1).store(1);
  }
};

/// `loop` does what the machine and the engine do: clear immediate_exit, look at halting, enter.
struct Rig {
  explicit Rig(std::size_t vcpus) {
    for (std::size_t n = 0; n < vcpus; ++n) {
      runner.add(&kernel.immediate_exit[n]);
      all.push_back(VcpuId{static_cast<std::uint32_t>(n)});
    }
  }
  void loop(VcpuId id) {
    const std::size_t n = index(id);
    ++entered[n];
    do {
      kernel.flag(n).store(0);
      if (runner.halting()) break;
      if (stop_after[n] != 0 && --stop_after[n] == 0) { // it found something
        runner.halt();
        break;
      }
    } while (kernel.run(n));
  }
  SpinningKernel kernel;
  std::array<std::atomic<unsigned>, SpinningKernel::most> entered{};
  std::array<std::atomic<unsigned>, SpinningKernel::most> stop_after{};
  std::atomic<unsigned> parked{0};
  std::vector<VcpuId> all;
  Runner runner{kernel, [this](VcpuId id) { loop(id); }, [this] { ++parked; }};
};

} // namespace

TEST_CASE("halting in a race with entry misses no vCPU: 100000 kicks") {
  constexpr std::size_t vcpus = 2;
  Rig rig(vcpus);
  unsigned rounds = 0;
  while (rig.kernel.kicks < 100000 && !rig.kernel.lost) {
    rig.runner.release(rig.all);
    for (unsigned spin = rounds % 97 * 16; spin != 0; --spin)
      std::atomic_signal_fence(std::memory_order_seq_cst); // other moments of the entry
    rig.runner.halt();
    if (rounds % 3 == 0) rig.runner.halt(); // once more is harmless
    rig.runner.wait_parked();
    ++rounds;
    if (rig.parked != rounds) FAIL("parked was called " << rig.parked << " times, not " << rounds);
  }
  CHECK_FALSE(rig.kernel.lost);
  for (std::size_t n = 0; n < vcpus; ++n)
    CHECK(rig.entered[n] == rounds);
}

TEST_CASE("a vCPU that halts the others from its own thread stops them all, itself included") {
  Rig rig(4);
  for (unsigned round = 0; round < 500; ++round) {
    rig.stop_after[round % 4] = 1;
    if (round % 5 == 0) rig.stop_after[(round + 1) % 4] = 1; // two at once
    rig.runner.release(rig.all);
    rig.runner.wait_parked();
    REQUIRE(rig.parked == round + 1);
    for (auto& left : rig.stop_after)
      left = 0;
  }
  CHECK_FALSE(rig.kernel.lost);
}

TEST_CASE("only those that are released run; the others are neither run nor kicked") {
  Rig rig(3);
  const VcpuId middle[] = {VcpuId{1}};
  rig.runner.release(middle);
  while (rig.entered[1] == 0)
    std::this_thread::yield();
  rig.runner.halt();
  rig.runner.wait_parked();
  CHECK(rig.entered[0] == 0);
  CHECK(rig.entered[2] == 0);
  CHECK(rig.parked == 1);
  CHECK(rig.kernel.kicks == 1);
  CHECK(rig.runner.halting());
  rig.runner.release(rig.all);
  CHECK_FALSE(rig.runner.halting());
  rig.runner.halt();
  rig.runner.wait_parked();
  CHECK(rig.entered[0] == 1);
  CHECK(rig.entered[1] == 2);
}

TEST_CASE("releasing none is parked at once") {
  Rig rig(1);
  rig.runner.release({});
  CHECK(rig.parked == 1);
  rig.runner.wait_parked();
  CHECK(rig.entered[0] == 0);
}

TEST_CASE("halting while all are parked kicks nobody and spoils no later release") {
  Rig rig(2);
  rig.runner.halt();
  CHECK(rig.kernel.kicks == 0);
  rig.stop_after[0] = 1;
  rig.runner.release(rig.all);
  rig.runner.wait_parked();
  CHECK(rig.entered[0] == 1);
  CHECK(rig.entered[1] == 1);
}

TEST_CASE(
    "work runs on the vCPU's own thread, always the same, and is done when the call returns") {
  Rig rig(3);
  std::array<std::thread::id, 3> threads{};
  for (int round = 0; round < 3; ++round) {
    for (std::size_t n = 0; n < 3; ++n) {
      std::thread::id seen;
      rig.runner.on_vcpu(rig.all[n], [&] { seen = std::this_thread::get_id(); });
      CHECK(seen != std::this_thread::get_id());
      if (round == 0) threads[n] = seen;
      CHECK(seen == threads[n]);
    }
    rig.runner.release(rig.all); // and between runs
    rig.runner.halt();
    rig.runner.wait_parked();
  }
  CHECK(threads[0] != threads[1]);
  CHECK(threads[1] != threads[2]);
}

TEST_CASE("all that a vCPU's thread did before it parked is seen by whoever waited for it") {
  Rig rig(2);
  std::array<unsigned, 2> plain{}; // not atomic: the runner orders it
  Runner runner(
      rig.kernel, [&](VcpuId id) { ++plain[index(id)]; }, [] {});
  runner.add(&rig.kernel.immediate_exit[4]);
  runner.add(&rig.kernel.immediate_exit[5]);
  for (unsigned round = 1; round <= 200; ++round) {
    runner.release(rig.all);
    runner.wait_parked();
    REQUIRE(plain[0] == round);
    REQUIRE(plain[1] == round);
    unsigned seen = 0;
    runner.on_vcpu(VcpuId{1}, [&] { seen = plain[0]; });
    REQUIRE(seen == round);
  }
}

TEST_CASE("the destructor halts what runs, and joins") {
  for (const bool entered : {false, true}) {
    {
      Rig rig(3);
      rig.runner.release(rig.all);
      while (entered && (rig.entered[0] == 0 || rig.entered[1] == 0 || rig.entered[2] == 0))
        std::this_thread::yield();
      rig.runner.halt(); // by somebody, while the machine goes away
    }
    {
      Rig rig(3);
      rig.runner.release(rig.all);
    }
    Rig parked(2);
    Rig empty(0);
  }
}
