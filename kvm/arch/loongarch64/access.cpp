// LoongArch registers that KVM moves in structures, and memory as this vCPU sees it.
#include "kvm/arch/loongarch64/cpu.hpp"

#include <cstring>
#include <fmt/format.h>

namespace kdbg::kvm::loongarch64 {
namespace {

constexpr std::uint64_t walked_by[] = {
    pc_id,          csr(Csr::crmd), csr(Csr::pgdl),    csr(Csr::pgdh),    csr(Csr::pwcl),
    csr(Csr::pwch), csr(Csr::dmw0), csr(Csr::dmw0, 1), csr(Csr::dmw0, 2), csr(Csr::dmw0, 3)};
constexpr std::size_t vector_bytes = 16;

Paging under(Paging paging, const Space& space) {
  // A named root is that of a process: the kernel's half and the windows are there under any.
  if (space.kind == Space::Kind::root) {
    paging.pgdl = space.root;
    paging.crmd |= crmd_pg;
  }
  return paging;
}

class Snapshot final : public PageTables {
public:
  Snapshot(const Paging& paging, const GuestMemory& memory) : paging_(paging), memory_(memory) {}
  Result<Translation> translate(Address at) const override {
    return walk(under(paging_, at.space), memory_, at.value);
  }
  std::uint64_t hole(Address at) const override {
    std::uint64_t size = 1u << 12;
    std::ignore = walk(under(paging_, at.space), memory_, at.value, Detail::none, &size);
    return size;
  }

private:
  Paging paging_;
  const GuestMemory& memory_;
};

bool is_general(std::uint64_t id) {
  return (id & type_mask) == 0;
}
bool is_floating(std::uint64_t id) {
  return (id & type_mask) == type_fpu;
}

} // namespace

LoongArchCpu::LoongArchCpu(Vcpu& vcpu, GuestMemory& memory, const HostFacts& facts)
    : SoftCpu(vcpu, memory, arch_info(), sources(), walked_by), facts_(facts) {}

void LoongArchCpu::exited() {
  SoftCpu::exited();
  regs_.reset();
  fpu_.reset();
}

Status LoongArchCpu::load_regs() {
  if (!regs_) regs_ = TRY(vcpu_.get<Regs>(get_regs));
  return Done{};
}

Status LoongArchCpu::load_fpu() {
  if (!fpu_) fpu_ = TRY(vcpu_.get<Fpu>(get_fpu));
  return Done{};
}

Result<std::uint64_t> LoongArchCpu::fetch(std::uint64_t id) {
  if (is_general(id)) {
    TRY(load_regs());
    return id == pc_id ? regs_->pc : regs_->gpr[id - gpr(0)];
  }
  if (is_floating(id)) {
    TRY(load_fpu());
    if (id == fcc_id) return fpu_->fcc;
    return id == fcsr_id ? fpu_->fcsr : fpu_->fpr[id - fpr(0)][0];
  }
  return SoftCpu::fetch(id);
}

Status LoongArchCpu::store(std::uint64_t id, std::uint64_t value) {
  if (is_general(id)) {
    TRY(load_regs());
    Regs changed = *std::exchange(regs_, {});
    (id == pc_id ? changed.pc : changed.gpr[id - gpr(0)]) = value;
    return vcpu_.set(set_regs, changed);
  }
  if (is_floating(id)) {
    TRY(load_fpu());
    Fpu changed = *std::exchange(fpu_, {});
    if (id == fcsr_id) {
      changed.fcsr = static_cast<std::uint32_t>(value);
    } else {
      (id == fcc_id ? changed.fcc : changed.fpr[id - fpr(0)][0]) = value;
    }
    return vcpu_.set(set_fpu, changed);
  }
  return SoftCpu::store(id, value);
}

/// LSX's registers are wider than a value of the cache.
Result<Bytes> LoongArchCpu::read(RegisterId id) {
  if (info_.registers[index(id)].bits != 8 * vector_bytes) return SoftCpu::read(id);
  TRY(load_fpu());
  Bytes out(vector_bytes);
  std::memcpy(out.data(), fpu_->fpr[sources()[index(id)].id - fpr(0)], vector_bytes);
  return out;
}

Status LoongArchCpu::write(RegisterId id, ByteView value) {
  if (id == info_.pc && !value.empty() &&
      std::to_integer<unsigned>(value[0]) % instruction_bytes != 0) {
    return Error{Code::bad_request, "pc must be a multiple of 4"};
  }
  if (info_.registers[index(id)].bits != 8 * vector_bytes || value.size() != vector_bytes) {
    return SoftCpu::write(id, value);
  }
  const std::uint64_t low = sources()[index(id)].id;
  std::uint64_t first = 0;
  std::memcpy(&first, value.data(), sizeof first);
  TRY(load_fpu());
  std::memcpy(fpu_->fpr[low - fpr(0)], value.data(), vector_bytes);
  return set(low, first); // and with it all that was changed
}

Result<Paging> LoongArchCpu::paging() {
  Paging out;
  out.crmd = TRY(get(csr(Csr::crmd)));
  out.pgdl = TRY(get(csr(Csr::pgdl)));
  out.pgdh = TRY(get(csr(Csr::pgdh)));
  out.pwcl = TRY(get(csr(Csr::pwcl)));
  out.pwch = TRY(get(csr(Csr::pwch)));
  for (unsigned n = 0; n < out.dmw.size(); ++n) {
    out.dmw[n] = TRY(get(csr(Csr::dmw0, n)));
  }
  return out;
}

Result<Translation> LoongArchCpu::translate(Address at) {
  if (at.space.kind == Space::Kind::physical) {
    Translation out;
    out.physical = GuestPhys{at.value};
    return out;
  }
  return walk(under(TRY(paging()), at.space), memory_, at.value, Detail::none);
}

Result<std::unique_ptr<PageTables>> LoongArchCpu::page_tables() {
  return std::unique_ptr<PageTables>(std::make_unique<Snapshot>(TRY(paging()), memory_));
}

Result<std::uint64_t> LoongArchCpu::root() {
  return root_of(TRY(paging()));
}

std::string LoongArchCpu::describe() {
  const auto crmd = get(csr(Csr::crmd));
  if (!crmd) return crmd.error().what;
  return fmt::format("privilege level {}, {}", *crmd & crmd_plv,
                     (*crmd & crmd_pg) != 0 ? "mapped addressing" : "direct addressing");
}

Result<std::vector<Access>> LoongArchCpu::accesses() {
  const std::uint64_t at = TRY(pc()).value;
  const Bytes code = TRY(code_at(at, longest_sequence));
  const auto found = decode(code);
  if (!found || found->bytes == 0) return std::vector<Access>{};
  const std::uint64_t base = TRY(r(found->rj));
  const std::uint64_t address =
      base + (found->indexed ? TRY(r(found->rk)) : static_cast<std::uint64_t>(found->offset));
  // A step from a linked load goes on to behind its store.
  const bool stores = found->kind == Kind::load_linked && run_through(at, code, shaper());
  return std::vector<Access>{{address, found->bytes, found->reads, found->writes || stores}};
}

} // namespace kdbg::kvm::loongarch64
