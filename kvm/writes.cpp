// Writes to protected pages. The guest's write exits undone; the engine does it, tells the watches
// that it touches, and keeps the breakpoint instructions that it would destroy. KVM's emulator
// carries such instructions out and does not know all of them: one that it fails on is stepped
// alone with the pages open, and the watches are compared.
#include "kvm/engine.hpp"

#include <algorithm>
#include <iterator>

namespace kdbg::kvm {
namespace {

constexpr std::uint64_t page_mask = ~std::uint64_t{0xfff};

} // namespace

/// Every vCPU being parked. Limits: what KVM itself writes for the guest (its clock, stolen time)
/// is lost on such a page; a locked instruction there is carried out as a plain read and write, so
/// none is protected with a second vCPU. ROM needs no protection: what the guest writes there is
/// lost. Page tables should not be among these pages: where the CPU itself sets accessed and dirty
/// bits it would leave KVM no instruction to emulate.
Status Engine::protect() {
  const auto watched = watches_.pages(), guarded = sites_.guarded_pages();
  std::vector<std::uint64_t> pages;
  std::set_union(watched.begin(), watched.end(), guarded.begin(), guarded.end(),
                 std::back_inserter(pages));
  std::erase_if(pages, [&](std::uint64_t page) { return vmm_.memory().rom(GuestPhys{page}); });
  if (pages == protected_) return Done{};
  TRY(vmm_.protect(pages));
  protected_ = std::move(pages);
  return Done{};
}

bool Engine::is_protected(std::uint64_t physical) const {
  return std::binary_search(protected_.begin(), protected_.end(), physical & page_mask);
}

bool Engine::is_protected_write(const kvm_run& exit) const {
  return exit.exit_reason == KVM_EXIT_MMIO && exit.mmio.is_write != 0 &&
         is_protected(exit.mmio.phys_addr);
}

Verdict Engine::on_protected_write(VcpuId id) {
  const auto& exit = vmm_.vcpu(id).run_page().mmio;
  const GuestPhys at{exit.phys_addr};
  Bytes data(std::min<std::size_t>(exit.len, sizeof exit.data));
  std::copy_n(reinterpret_cast<const std::byte*>(exit.data), data.size(), data.begin());
  sites_.absorb(at, data);
  for (HitWatch& hit : watches_.write(at, data)) {
    add_watch_hit(id, std::move(hit));
  }
  return before_run(id); // completes the exit
}

/// KVM cannot emulate the instruction at pc. Because it touches a protected page?
Result<bool> Engine::needs_open_pages(VcpuId id) {
  if (protected_.empty() || (alone_ && alone_->open)) return false;
  Cpu& cpu = vmm_.cpu(id);
  for (const Access& access : TRY(cpu.accesses())) {
    for (std::uint64_t done = 0; access.writes && done < access.length; ++done) {
      auto where = cpu.translate(Address{access.address + done});
      if (!where && where.error().code == Code::kernel) return where.error();
      if (where && is_protected(where->physical.value)) return true;
    }
  }
  return false;
}

} // namespace kdbg::kvm
