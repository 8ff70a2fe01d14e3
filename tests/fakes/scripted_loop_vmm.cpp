#include "tests/fakes/scripted_loop_vmm.hpp"

namespace kdbg::test {

using namespace kvm;

LoopVmm::LoopVmm(Kernel& kernel,
                 const Arch& arch,
                 const HostFacts& facts,
                 std::span<std::byte> ram,
                 std::span<const Fd> fds)
    : memory_({{0, ram}}) {
  for (const Fd fd : fds) {
    const VcpuId id{static_cast<std::uint32_t>(vcpus_.size())};
    vcpus_.push_back(std::make_unique<Vcpu>(kernel, fd, id, *kernel.map_run(fd, 0)));
    cpus_.push_back(arch.attach(*vcpus_.back(), memory_, facts));
  }
}

void LoopVmm::loop(VcpuId id) {
  Verdict verdict = engine->before_run(id);
  while (verdict != Verdict::park) {
    if (verdict == Verdict::serve) {
      ++served;
    } else {
      verdict = engine->after_exit(id, vcpu(id).run());
      if (verdict != Verdict::enter) continue;
    }
    verdict = engine->before_run(id);
  }
}

void LoopVmm::release(std::span<const VcpuId> ids) {
  halting_ = false;
  const std::vector<VcpuId> released(ids.begin(), ids.end());
  post([this, released] {
    for (const VcpuId id : released) {
      loop(id);
    }
    engine->parked();
  });
}

void LoopVmm::halt() {
  halting_ = true;
  for (const auto& vcpu : vcpus_) {
    vcpu->run_page().immediate_exit = 1;
  }
}

void LoopVmm::drain() {
  constexpr int most = 10000;
  for (int i = 0; !posted_.empty() && i < most; ++i) {
    auto work = std::move(posted_.front());
    posted_.pop_front();
    work();
  }
}

} // namespace kdbg::test
