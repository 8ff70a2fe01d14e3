#include "tests/fakes/scripted_vmm.hpp"

namespace kdbg::test {

using namespace kvm;

ScriptedVmm::ScriptedVmm(const HostFacts& facts,
                         std::initializer_list<unsigned> code,
                         std::size_t vcpus)
    : kernel({}), ram(0x4000), memory_({{0, ram}}) {
  kernel.use(ram);
  std::uint64_t at = entry;
  for (const unsigned byte : code)
    ram[at++] = static_cast<std::byte>(byte);
  for (std::size_t n = 0; n < vcpus; ++n) {
    const Fd fd = kernel.add_vcpu(entry);
    kernel.regs(fd).rdi = data;
    fds_.push_back(fd);
    vcpus_.push_back(std::make_unique<Vcpu>(kernel, fd, VcpuId{static_cast<std::uint32_t>(n)},
                                            *kernel.map_run(fd, 0)));
    cpus_.push_back(x86_64().attach(*vcpus_.back(), memory_, facts));
  }
}

void ScriptedVmm::loop(VcpuId id) {
  Verdict verdict = engine->before_run(id);
  while (verdict != Verdict::park) {
    if (verdict == Verdict::serve) {
      ++served;
      if (serving) serving();
      verdict = engine->before_run(id);
      continue;
    }
    const auto result = vcpu(id).run();
    verdict = engine->after_exit(id, result);
    if (verdict == Verdict::enter) verdict = engine->before_run(id);
  }
}

void ScriptedVmm::release(std::span<const VcpuId> ids) {
  halting_ = false;
  const std::vector<VcpuId> released(ids.begin(), ids.end());
  post([this, released] {
    for (const VcpuId id : released)
      loop(id);
    if (const auto work = before_parked) work();
    engine->parked();
  });
}

bool ScriptedVmm::halting() const {
  if (halts_at_look != 0 && --halts_at_look == 0) {
    halting_ = true;
    for (const auto& vcpu : vcpus_)
      vcpu->run_page().immediate_exit = 1;
  }
  return halting_;
}

Status ScriptedVmm::intercept(const Intercepts& wanted) {
  intercepted = refuses_intercept ? Intercepts{} : wanted;
  if (refuses_intercept) return Error{Code::kernel, "injected failure", 22};
  return Done{};
}

Status ScriptedVmm::protect(std::span<const std::uint64_t> pages) {
  if (refuses_protect_in >= 0 && refuses_protect_in-- == 0)
    return Error{Code::kernel, "injected failure", 12};
  protected_pages.assign(pages.begin(), pages.end());
  kernel.read_only = protected_pages;
  return Done{};
}

void ScriptedVmm::drain_some(int most) {
  for (int i = 0; !posted_.empty() && i < most; ++i) {
    auto work = std::move(posted_.front());
    posted_.pop_front();
    work();
  }
}

} // namespace kdbg::test
