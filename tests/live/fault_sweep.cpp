// Fails every single ioctl of a debugged guest's life on the real /dev/kvm, one per round: nothing
// may hang, crash, or leave a breakpoint in the guest. Usage: fault_sweep IMAGE SYMBOL_ADDRESS
#include "kvm/arch/x86_64/arch.hpp"
#include "kvm/arch/x86_64/probe.hpp"
#include "kvm/engine.hpp"
#include "kvm/machine/machine.hpp"
#include "tests/live/forwarding_kernel.hpp"

#include <cerrno>
#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <fmt/format.h>
#include <fstream>
#include <iterator>

using namespace kdbg;
using namespace kdbg::kvm;

namespace {

/// The real kernel, but for one ioctl.
class FailingKernel final : public test::ForwardingKernel {
public:
  explicit FailingKernel(int fail_at) : fail_at_(fail_at) {}
  bool failed() const { return failed_; }
  void heal() { fail_at_ = 1 << 30; }

  Result<int> ioctl(Fd fd, unsigned long request, void* argument) override {
    if (count_++ == fail_at_) {
      failed_ = true;
      return Error{Code::kernel, "injected failure", EIO};
    }
    return ForwardingKernel::ioctl(fd, request, argument);
  }

private:
  std::atomic<int> count_{0};
  std::atomic<int> fail_at_;
  std::atomic<bool> failed_{false};
};

/// Stands in for the io_context: one thread, posted work.
class Strand {
public:
  void post(std::function<void()> work) {
    const std::lock_guard lock(mutex_);
    posted_.push_back(std::move(work));
    more_.notify_one();
  }
  /// Until `done`; false when nothing happens for 10 s.
  bool run_until(const std::function<bool()>& done) {
    while (!done()) {
      std::unique_lock lock(mutex_);
      if (!more_.wait_for(lock, std::chrono::seconds(10), [&] { return !posted_.empty(); })) {
        return false;
      }
      auto work = std::move(posted_.front());
      posted_.pop_front();
      lock.unlock();
      work();
    }
    return true;
  }

private:
  std::mutex mutex_;
  std::condition_variable more_;
  std::deque<std::function<void()>> posted_;
};

enum class Outcome { fine, told, hung, dirty };

/// One guest's life. `told`: somebody was given an error.
Outcome live(FailingKernel& kernel,
             const HostFacts& facts,
             const Image& image,
             std::uint64_t site,
             std::string& last_told) {
  Strand strand;
  const BootFiles files;
  auto machine = Machine::create(
      kernel, x86_64(), facts, {1, 4u << 20, false}, image, files,
      {[](std::byte) {}, [&](std::function<void()> work) { strand.post(std::move(work)); }});
  if (!machine) return Outcome::told;
  bool told = false;
  const auto hear = [&](std::string_view what) {
    told = true;
    last_told = what;
  };
  Engine engine(**machine, x86_64(), facts, [&](const Event& event) {
    if (const auto* stopped = std::get_if<Stopped>(&event)) {
      for (const StopReason& reason : stopped->stop.vcpus.front().reasons) {
        if (const auto* crashed = std::get_if<Crashed>(&reason)) hear(crashed->what);
      }
    }
  });
  (*machine)->attach(engine);
  const auto note = [&](const auto& result) {
    if (!result) hear(result.error().what);
  };
  const Point points[] = {{PointKind::software, Address{site}, 1},
                          {PointKind::hardware, Address{site + 1}, 1},
                          {PointKind::write, Address{0x8000}, 4}};
  Bytes before(16);
  (*machine)->memory().read(GuestPhys{site}, before);
  for (const Point& point : points)
    note(engine.insert(VcpuId{0}, point));
  for (const Motion motion : {Motion::run, Motion::step, Motion::step, Motion::step}) {
    auto resumed = engine.resume(Resume{{motion}});
    note(resumed);
    if (resumed && !strand.run_until([&] { return !engine.running(); })) return Outcome::hung;
    note(engine.read_register(VcpuId{0}, engine.arch().pc));
    note(engine.read_memory(VcpuId{0}, Address{site}, 16));
  }
  for (const Point& point : points)
    ignore(engine.remove(point));
  kernel.heal();
  if (!engine.withdraw()) return Outcome::dirty;
  Bytes after(16);
  (*machine)->memory().read(GuestPhys{site}, after);
  if (after != before) return Outcome::dirty;
  return told ? Outcome::told : Outcome::fine;
}

int fail(std::string_view what) {
  fmt::print("FAIL {}\n", what);
  return 1;
}

} // namespace

int main(int argc, char** argv) {
  if (argc != 3) return fail("usage: fault_sweep IMAGE ADDRESS");
  std::ifstream in(argv[1], std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(in)), {});
  const auto file = std::as_bytes(std::span(text));
  auto image = parse_image(file);
  if (!image) return fail(image.error().what);
  const std::uint64_t site = std::strtoull(argv[2], nullptr, 16);
  auto healthy = make_linux_kernel();
  auto facts = x86::probe(*healthy);
  if (!facts) return fail(facts.error().what);
  int probes = 0;
  for (;; ++probes) {
    FailingKernel kernel(probes);
    ignore(x86::probe(kernel));
    if (!kernel.failed()) break;
  }
  for (int n = 0;; ++n) {
    FailingKernel kernel(n);
    std::string told;
    const Outcome outcome = live(kernel, *facts, *image, site, told);
    const bool failed = kernel.failed();
    if (outcome == Outcome::hung) return fail(fmt::format("ioctl {}: hung", n));
    if (outcome == Outcome::dirty)
      return fail(fmt::format("ioctl {}: the guest was not left as found", n));
    if (failed && outcome != Outcome::told)
      return fail(fmt::format("ioctl {}: nobody was told", n));
    if (failed) continue;
    if (outcome != Outcome::fine) return fail("nothing failed, but: " + told);
    fmt::print("PASS {} ioctls of the probe and {} of a guest's life, each failed once\n", probes,
               n);
    return 0;
  }
}
