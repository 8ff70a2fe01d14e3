// The clients' side of the engine: registers, memory and points of a stopped guest.
#include "kvm/engine.hpp"

#include "kvm/region.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace kdbg::kvm {
namespace {

Capabilities capabilities_of(const HostFacts& facts, const Arch& arch) {
  Capabilities out;
  out.hardware_slots =
      facts.hardware_exec || facts.data_watch ? arch.slots_for(PointKind::hardware).count : 0;
  out.single_step = facts.steps();
  out.software_points = facts.breakpoint_exit || facts.breakpoint_internal_error ||
                        facts.hardware_exec || facts.single_step;
  out.hardware_watch = facts.data_watch;
  out.watch_stops_before = facts.watch_before;
  out.protected_watch = facts.write_protect;
  out.stepped_watch = facts.steps();
  out.block_interrupts = facts.block_interrupts;
  out.notes = facts.notes;
  return out;
}

constexpr std::uint64_t small_page = 4096;

/// KVM carries a locked instruction on a write-protected page out as a plain read and write, so
/// with a second vCPU the guest would lose updates: there, watches are compared after each
/// instruction.
HostFacts sound(HostFacts facts, std::size_t vcpus) {
  facts.write_protect = facts.write_protect && vcpus == 1;
  return facts;
}

} // namespace

Engine::Engine(Vmm& vmm, const Arch& arch, const HostFacts& facts, Publish publish)
    : vmm_(vmm),
      arch_(arch),
      facts_(sound(facts, vmm.vcpu_count())),
      publish_(std::move(publish)),
      capabilities_(capabilities_of(facts_, arch)),
      sites_(arch, facts_),
      runs_(vmm.vcpu_count()),
      stop_{0, {{VcpuId{0}, {AtEntry{}}}}},
      stopped_at_(std::chrono::steady_clock::now()) {}

Status Engine::check(VcpuId id, bool needs_stop) const {
  if (index(id) >= runs_.size()) {
    return Error{Code::no_such_vcpu,
                 fmt::format("there is no vCPU {}; the machine has {}", index(id), runs_.size())};
  }
  if (needs_stop && running_) {
    return Error{Code::running, "the guest is running; interrupt it first"};
  }
  return Done{};
}

std::string Engine::describe(VcpuId id) {
  if (auto ok = check(id, true); !ok) return ok.error().what;
  return on_vcpu(id, [&] { return vmm_.cpu(id).describe(); });
}

Result<Bytes> Engine::read_register(VcpuId id, RegisterId reg) {
  TRY(check(id, true));
  if (index(reg) >= arch().registers.size()) {
    return Error{Code::bad_request, fmt::format("there is no register {}", index(reg))};
  }
  const auto read = [&] { return vmm_.cpu(id).read(reg); };
  return vmm_.cpu(id).at_hand(reg) ? read() : on_vcpu(id, read);
}

/// With one visit to the vCPU's thread at most.
std::vector<Result<Bytes>> Engine::read_registers(VcpuId id, std::span<const RegisterId> ids) {
  const bool valid = check(id, true) && std::all_of(ids.begin(), ids.end(), [&](RegisterId reg) {
                       return index(reg) < arch().registers.size();
                     });
  if (!valid) return Target::read_registers(id, ids); // says what is wrong with each
  Cpu& cpu = vmm_.cpu(id);
  std::vector<Result<Bytes>> out;
  out.reserve(ids.size());
  const auto read = [&] {
    for (const RegisterId reg : ids) {
      out.push_back(cpu.read(reg));
    }
  };
  const bool at_hand =
      std::all_of(ids.begin(), ids.end(), [&](RegisterId reg) { return cpu.at_hand(reg); });
  if (at_hand) {
    read();
  } else {
    vmm_.on_vcpu(id, read);
  }
  return out;
}

Status Engine::write_register(VcpuId id, RegisterId reg, ByteView value) {
  TRY(check(id, true));
  if (index(reg) >= arch().registers.size()) {
    return Error{Code::bad_request, fmt::format("there is no register {}", index(reg))};
  }
  translations_.clear(); // it may be a control register
  return on_vcpu(id, [&]() -> Status {
    Cpu& cpu = vmm_.cpu(id);
    const GuestVirt before = TRY(cpu.pc());
    TRY(cpu.write(reg, value));
    if (TRY(cpu.pc()) != before) {
      runs_[index(id)].passed.reset();
      runs_[index(id)].halted = false;
    }
    return Done{};
  });
}

Translator Engine::translator() {
  return [this](VcpuId id, Address at) { return locate(id, at); };
}

Result<Translation> Engine::translate(VcpuId id, Address at) {
  TRY(check(id, false));
  if (running_ || at.space.kind == Space::Kind::physical) return locate(id, at);
  const auto tables = TRY(with_registers(id, [&] { return vmm_.cpu(id).page_tables(); }));
  return tables->translate(at);
}

Result<Region> Engine::region(VcpuId id, Address at) {
  TRY(check(id, false));
  if (running_) return find_region(*tables_[index(id)], vmm_.memory(), at);
  const auto tables = TRY(with_registers(id, [&] { return vmm_.cpu(id).page_tables(); }));
  return find_region(*tables, vmm_.memory(), at);
}

Result<Translation> Engine::locate(VcpuId id, Address at) {
  TRY(check(id, false));
  if (at.space.kind == Space::Kind::physical) return vmm_.cpu(id).translate(at);
  if (running_) return tables_[index(id)]->translate(at);
  const bool named = at.space.kind == Space::Kind::root;
  const auto key =
      std::tuple{named ? ~std::size_t{0} : index(id), at.space.root, at.value / small_page};
  const std::uint64_t offset = at.value % small_page;
  if (auto known = translations_.find(key); known != translations_.end()) {
    Translation out = known->second;
    out.physical.value += offset;
    return out;
  }
  Translation out = TRY(with_registers(id, [&] { return vmm_.cpu(id).translate(at); }));
  Translation page = out;
  page.physical.value -= offset;
  translations_.emplace(key, std::move(page));
  return out;
}

Result<Bytes> Engine::read_memory(VcpuId id, Address at, std::size_t length) {
  TRY(check(id, false));
  Bytes out(length);
  std::size_t done = 0;
  while (done < length) {
    Address here = at;
    here.value += done;
    auto where = locate(id, here);
    if (!where && done == 0) return where.error();
    if (!where) break;
    const std::size_t count =
        std::min<std::uint64_t>(length - done, small_page - here.value % small_page);
    const auto chunk = std::span(out).subspan(done, count);
    const std::size_t got = vmm_.memory().read(where->physical, chunk);
    sites_.hide(where->physical, chunk.first(got));
    done += got;
    if (got < count) break;
  }
  if (done == 0 && length != 0) {
    return Error{Code::memory_fault, fmt::format("there is no memory at {:#x}", at.value)};
  }
  out.resize(done);
  return out;
}

Result<std::vector<CodeLine>> Engine::disassemble(VcpuId id, std::uint64_t at, std::size_t count) {
  constexpr std::size_t longest = 16; // bytes of an instruction, and no architecture has more
  TRY(check(id, true));
  const Bytes code = TRY(read_memory(id, Address{at}, count * longest));
  auto lines = TRY(with_registers(id, [&] { return vmm_.cpu(id).disassemble(code, at); }));
  lines.resize(std::min(lines.size(), count));
  return lines;
}

Result<DescriptorList>
Engine::descriptors(VcpuId id, TableKind table, std::uint64_t first, std::uint64_t count) {
  TRY(check(id, true));
  return on_vcpu(id, [&] { return vmm_.cpu(id).descriptors(table, first, count); });
}

Result<std::uint64_t> Engine::read_msr(VcpuId id, std::uint32_t number) {
  TRY(check(id, true));
  return on_vcpu(id, [&] { return vmm_.cpu(id).read_msr(number); });
}

Status Engine::write_msr(VcpuId id, std::uint32_t number, std::uint64_t value) {
  TRY(check(id, true));
  translations_.clear(); // it may be EFER
  return on_vcpu(id, [&] { return vmm_.cpu(id).change_msr(number, value); });
}

Status Engine::write_memory(VcpuId id, Address at, ByteView data) {
  TRY(check(id, true));
  // Find every page first, so that a hole anywhere leaves all of it unwritten.
  std::vector<std::pair<GuestPhys, ByteView>> chunks;
  for (std::size_t done = 0; done < data.size();) {
    Address here = at;
    here.value += done;
    const auto where = TRY(locate(id, here));
    const std::size_t count =
        std::min<std::uint64_t>(data.size() - done, small_page - here.value % small_page);
    Bytes probe(count);
    if (vmm_.memory().read(where.physical, probe) != count) {
      return Error{Code::memory_fault, fmt::format("there is no memory at {:#x}", here.value)};
    }
    chunks.emplace_back(where.physical, data.subspan(done, count));
    done += count;
  }
  for (const auto& [physical, chunk] : chunks) {
    Bytes bytes(chunk.begin(), chunk.end());
    sites_.absorb(physical, bytes);
    vmm_.memory().write(physical, bytes);
  }
  translations_.clear(); // it may have been a page table
  return Done{};
}

} // namespace kdbg::kvm
