#include "tests/fakes/fake_target.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace kdbg::fakes {
namespace {

constexpr std::string_view core = "org.kvmdbg.toy.core", more = "org.kvmdbg.toy.more";

constexpr RegisterInfo toy_registers[] = {
    {.name = "r0", .type = "int64", .feature = core, .dwarf = 0},
    {.name = "r1", .type = "int64", .feature = core, .dwarf = 1},
    {.name = "r2", .type = "int64", .feature = core, .dwarf = 2},
    {.name = "sp", .type = "data_ptr", .feature = core, .role = "sp", .dwarf = 3},
    {.name = "fp", .type = "data_ptr", .feature = core, .role = "fp", .dwarf = 4},
    {.name = "pc", .type = "code_ptr", .feature = core, .role = "pc", .dwarf = 5},
    {.name = "flags", .bits = 32, .type = "toy_flags", .feature = core, .role = "flags"},
    {.name = "v0",
     .bits = 128,
     .type = "vec128",
     .feature = more,
     .group = RegisterGroup::fpu,
     .role = ""},
    {.name = "cr",
     .type = "int64",
     .feature = more,
     .group = RegisterGroup::system,
     .role = "",
     .in_g = false},
    {.name = "none",
     .type = "int64",
     .feature = more,
     .group = RegisterGroup::msr,
     .role = "",
     .in_g = false},
};
constexpr FieldInfo toy_fields[] = {{"Z", 0, 0}, {"MODE", 4, 6}};
constexpr FlagsInfo toy_flag_types[] = {
    {.name = "toy_flags", .feature = core, .bytes = 4, .fields = toy_fields}};

constexpr CoreField toy_core[] = {{.bytes = 2, .value = 7, .vcpu = true},
                                  {.bytes = 8, .reg = "pc"},
                                  {.bytes = 4, .reg = "flags", .shift = 8, .mask = 0xff}};
constexpr CoreNote toy_notes[] = {{"TOY", 9, toy_core}};

/// A hit is seen with the pc at the point, or behind the access.
void place_pc(FakeTarget& target, const VcpuStop& stop) {
  for (const StopReason& reason : stop.reasons) {
    if (const auto* hit = std::get_if<HitPoint>(&reason)) {
      target.poke(stop.vcpu, toy_pc, hit->point.at.value);
    }
  }
}

} // namespace

const ArchInfo& toy_arch() {
  static constexpr ArchInfo arch{.name = "toy",
                                 .gdb_name = "i386:x86-64",
                                 .triple = "x86_64-unknown-unknown",
                                 .registers = toy_registers,
                                 .flags = toy_flag_types,
                                 .pc = toy_pc,
                                 .sp = toy_sp,
                                 .fp = toy_fp,
                                 .flags_register = toy_flags,
                                 .elf_machine = 0x4b,
                                 .core_notes = toy_notes};
  return arch;
}

FakeTarget::FakeTarget(std::size_t vcpus)
    : can{.hardware_slots = 4,
          .single_step = true,
          .software_points = true,
          .hardware_watch = true,
          .notes = {}},
      registers_(vcpus),
      stop_{0, {{VcpuId{0}, {AtEntry{}}}}} {
  for (auto& file : registers_) {
    for (const RegisterInfo& info : toy_registers) {
      file.emplace_back(info.bits / 8U);
    }
  }
  Bytes page(0x1000);
  for (std::size_t i = 0; i < page.size(); ++i) {
    page[i] = static_cast<std::byte>(i);
  }
  ram.emplace(0x1000, page);
  ram.emplace(0x3000, page);
}

void FakeTarget::stop_now(Stop stop) {
  running_ = false;
  stop.epoch = stop_.epoch + 1;
  stop_ = std::move(stop);
  for (const VcpuStop& entry : stop_.vcpus) {
    place_pc(*this, entry);
  }
  publish(Stopped{stop_});
}

void FakeTarget::end_now(int status) {
  running_ = false;
  gone_ = true;
  publish(Gone{status});
}

void FakeTarget::poke(VcpuId vcpu, RegisterId id, std::uint64_t value) {
  Bytes& bytes = registers_[index(vcpu)][index(id)];
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<std::byte>(i < 8 ? value >> (8 * i) : 0);
  }
}

std::uint64_t FakeTarget::peek(VcpuId vcpu, RegisterId id) const {
  const Bytes& bytes = registers_[index(vcpu)][index(id)];
  std::uint64_t value = 0;
  for (std::size_t i = std::min<std::size_t>(bytes.size(), 8); i-- > 0;) {
    value = value << 8 | std::to_integer<std::uint64_t>(bytes[i]);
  }
  return value;
}

Status FakeTarget::check(bool needs_stop) {
  if (auto error = std::exchange(next_error, {})) return *error;
  if (gone_) return Error{Code::closed, "the guest is gone"};
  if (needs_stop && running_) {
    return Error{Code::running, "the guest is running; interrupt it first"};
  }
  return Done{};
}

std::string FakeTarget::describe(VcpuId vcpu) {
  return fmt::format("toy mode <{}>", index(vcpu));
}

Result<Bytes> FakeTarget::read_register(VcpuId vcpu, RegisterId id) {
  TRY(check(true));
  if (id == toy_none) return Error{Code::unsupported, "none is not readable here"};
  return registers_[index(vcpu)][index(id)];
}

Status FakeTarget::write_register(VcpuId vcpu, RegisterId id, ByteView value) {
  TRY(check(true));
  if (id == toy_none) return Error{Code::unsupported, "none is not writable here"};
  Bytes& present = registers_[index(vcpu)][index(id)];
  if (value.size() != present.size()) return Error{Code::bad_request, "register width is off"};
  present.assign(value.begin(), value.end());
  ++counts.register_writes;
  return Done{};
}

std::byte* FakeTarget::byte_at(std::uint64_t at) {
  auto block = ram.upper_bound(at);
  if (block == ram.begin()) return nullptr;
  --block;
  const std::uint64_t offset = at - block->first;
  return offset < block->second.size() ? &block->second[static_cast<std::size_t>(offset)] : nullptr;
}

Result<Bytes> FakeTarget::read_memory(VcpuId, Address at, std::size_t length) {
  TRY(check(at.space.kind == Space::Kind::current));
  Bytes data;
  for (std::size_t i = 0; i < length; ++i) {
    const std::byte* byte = byte_at(at.value + i);
    if (!byte) break;
    data.push_back(*byte);
  }
  if (data.empty() && length > 0) {
    return Error{Code::memory_fault, fmt::format("no memory at {:#x}", at.value)};
  }
  return data;
}

Status FakeTarget::write_memory(VcpuId, Address at, ByteView data) {
  TRY(check(true));
  for (std::size_t i = 0; i < data.size(); ++i) {
    if (!byte_at(at.value + i)) {
      return Error{Code::memory_fault, fmt::format("no memory at {:#x}", at.value + i)};
    }
  }
  for (std::size_t i = 0; i < data.size(); ++i) {
    *byte_at(at.value + i) = data[i];
  }
  return Done{};
}

Result<Translation> FakeTarget::translate(VcpuId, Address at) {
  TRY(check(true));
  if (!byte_at(at.value)) {
    return Error{Code::memory_fault, fmt::format("{:#x} is not mapped", at.value)};
  }
  return Translation{.physical = {at.value + 0x100000},
                     .page_size = 0x1000,
                     .writable = false,
                     .levels = {fmt::format("toy table: {:#x}", at.value)}};
}

Result<Region> FakeTarget::region(VcpuId, Address at) {
  TRY(check(false));
  Region out{0, ~std::uint64_t{0}};
  for (const auto& [start, bytes] : ram) {
    const std::uint64_t last = start + bytes.size() - 1;
    if (at.value >= start && at.value <= last) {
      return Region{start, last, true, false, true, true, "RAM"};
    }
    if (last < at.value) out.start = last + 1;
    if (start > at.value) out.last = std::min(out.last, start - 1);
  }
  return out;
}

std::vector<MemoryRange> FakeTarget::memory_ranges() const {
  std::vector<MemoryRange> out;
  for (const auto& [start, bytes] : ram) {
    out.push_back({start, bytes.size()});
  }
  return out;
}

// Points may go in and out under a running guest: the engine pauses it by itself.

Status FakeTarget::insert(VcpuId, const Point& point) {
  TRY(check(false));
  const bool known = std::any_of(points_.begin(), points_.end(),
                                 [&](const PointState& state) { return state.point == point; });
  if (known) return Error{Code::bad_request, kdbg::describe(point) + " is there already"};
  points_.push_back({point, "toy site"});
  ++counts.inserts;
  return Done{};
}

Status FakeTarget::agree(const Point& point, std::vector<Wish> agreed) {
  const auto state = std::find_if(points_.begin(), points_.end(),
                                  [&](const PointState& each) { return each.point == point; });
  if (state == points_.end()) return Error{Code::bad_request, "no " + kdbg::describe(point)};
  state->wishes.clear();
  for (const Wish& wish : agreed) {
    state->wishes.push_back({wish.client, kdbg::describe(wish.rule)});
  }
  wishes[point] = std::move(agreed);
  return Done{};
}

Status FakeTarget::remove(const Point& point) {
  TRY(check(false));
  wishes.erase(point);
  const auto erased =
      std::erase_if(points_, [&](const PointState& state) { return state.point == point; });
  if (erased == 0) return Error{Code::bad_request, "no " + kdbg::describe(point)};
  ++counts.removes;
  return Done{};
}

Status FakeTarget::resume(const Resume& how) {
  TRY(check(true));
  if (how.motions.size() != vcpu_count()) return Error{Code::bad_request, "one motion per vCPU"};
  if (std::all_of(how.motions.begin(), how.motions.end(),
                  [](Motion motion) { return motion == Motion::hold; })) {
    return Error{Code::bad_request, "every vCPU is held"};
  }
  if (const auto status = powered_off(stop_)) {
    end_now(*status);
    return Done{};
  }
  last_motions = how.motions;
  last_ranges = how.ranges;
  ++counts.resumes;
  running_ = true;
  return Done{};
}

void FakeTarget::interrupt(std::optional<ClientId>) {
  ++counts.interrupts;
}

Status FakeTarget::reset() {
  TRY(check(true));
  ++counts.resets;
  poke(VcpuId{0}, toy_pc, 0xfff0);
  stop_now(VcpuId{0}, AtEntry{}); // as the engine tells it
  return Done{};
}

Status FakeTarget::power_off() {
  TRY(check(true));
  ++counts.power_offs;
  end_now(0);
  return Done{};
}

Result<std::string> FakeTarget::console(std::string_view text) {
  TRY(check(false));
  typed += text;
  return "toy console\n" + typed;
}

} // namespace kdbg::fakes
