// What every architecture must keep, whichever it is: no family is special.
#include "tests/arch_contract/families.hpp"

#include <set>

using namespace kdbg;
using namespace kdbg::kvm;
using namespace kdbg::test;

namespace {

RegisterId number(std::size_t i) {
  return RegisterId{static_cast<std::uint16_t>(i)};
}

bool is_plain_type(std::string_view type) {
  static const std::set<std::string_view> types{
      "int",      "int32",       "int64",       "uint8",    "uint16",
      "uint32",   "uint64",      "uint128",     "int128",   "code_ptr",
      "data_ptr", "ieee_single", "ieee_double", "i387_ext", "v2ui128"};
  return types.contains(type) || type.starts_with("vec") || type == "aarch64v";
}

template <class Family>
struct Contract : EngineRig<Family> {
  Contract() {
    program = Family::program(this->kernel, this->fd(), this->data);
    std::copy(program.bytes.begin(), program.bytes.end(), this->ram.begin() + this->entry);
    this->original = this->ram;
  }
  Program program;
  std::uint64_t at(std::size_t instruction) const {
    return this->entry + program.offsets[instruction];
  }
};

} // namespace

TEMPLATE_LIST_TEST_CASE("contract: register tables do not overlap", "", Families) {
  const auto arch = TestType::make();
  const ArchInfo& info = arch->info();
  std::set<std::string_view> names;
  std::set<int> dwarf;
  bool in_g = true;
  for (const RegisterInfo& reg : info.registers) {
    INFO(reg.name);
    CHECK(names.insert(reg.name).second);
    CHECK((reg.dwarf < 0 || dwarf.insert(reg.dwarf).second));
    CHECK(reg.bits != 0);
    CHECK(reg.bits % 8 == 0);
    CHECK_FALSE(reg.feature.empty());
    CHECK((in_g || !reg.in_g)); // the g packet is a prefix: its offsets are sums of widths
    in_g = reg.in_g;
  }
  CHECK(info.registers[index(info.pc)].role == "pc");
  CHECK(info.registers[index(info.sp)].role == "sp");
  CHECK(info.registers[index(info.fp)].role == "fp");
  CHECK(index(info.flags_register) < info.registers.size());
  CHECK(info.elf_machine != 0);
  CHECK_FALSE(info.gdb_name.empty());
  CHECK(info.triple.starts_with(info.name));
}

TEMPLATE_LIST_TEST_CASE("contract: every type exists, where it is used, and is as wide",
                        "",
                        Families) {
  const auto arch = TestType::make();
  const ArchInfo& info = arch->info();
  std::set<std::string_view> used;
  for (const RegisterInfo& reg : info.registers) {
    INFO(reg.name << ": " << reg.type);
    if (is_plain_type(reg.type)) continue;
    used.insert(reg.type);
    const auto found = std::find_if(info.flags.begin(), info.flags.end(),
                                    [&](const FlagsInfo& flags) { return flags.name == reg.type; });
    REQUIRE(found != info.flags.end());
    CHECK(found->feature == reg.feature);
    CHECK(found->bytes * 8u == reg.bits);
  }
  for (const FlagsInfo& flags : info.flags) {
    INFO(flags.name);
    CHECK(used.contains(flags.name));
    int next = 0;
    for (const FieldInfo& field : flags.fields) {
      INFO(field.name);
      CHECK(int{field.first} >= next);
      CHECK(field.last >= field.first);
      next = field.last + 1;
    }
    CHECK(next <= flags.bytes * 8);
  }
}

TEMPLATE_LIST_TEST_CASE("contract: core notes name registers that are there", "", Families) {
  const auto arch = TestType::make();
  const ArchInfo& info = arch->info();
  REQUIRE_FALSE(info.core_notes.empty());
  CHECK(info.core_notes.front().name == "CORE");
  CHECK(info.core_notes.front().type == 1);
  bool has_pc = false, has_thread = false;
  for (const CoreNote& note : info.core_notes) {
    for (const CoreField& field : note.fields) {
      has_thread = has_thread || field.vcpu;
      if (field.reg.empty()) continue;
      INFO(field.reg);
      const auto found =
          std::find_if(info.registers.begin(), info.registers.end(),
                       [&](const RegisterInfo& reg) { return reg.name == field.reg; });
      REQUIRE(found != info.registers.end());
      CHECK((found->bits <= 64 || found->bits == 8 * field.bytes));
      has_pc = has_pc || found->role == "pc";
    }
  }
  CHECK(has_pc);
  CHECK(has_thread);
}

TEMPLATE_LIST_TEST_CASE("contract: what is written to a register is read back", "", Families) {
  for (std::size_t i = 0; i < TestType::make()->info().registers.size(); ++i) {
    Contract<TestType> rig; // one for each: a register may change what others mean
    const RegisterInfo& info = rig.arch->info().registers[i];
    INFO(info.name);
    auto before = rig.cpu().read(number(i));
    if (!before) { // this CPU has none
      CHECK(before.error().code == Code::unsupported);
      CHECK_FALSE(rig.cpu().write(number(i), Bytes(info.bits / 8u)));
      continue;
    }
    REQUIRE((*before).size() == info.bits / 8u);
    Bytes wanted = *before;
    const std::uint64_t writable = TestType::writable(info.name);
    for (std::size_t byte = 0; byte < wanted.size(); ++byte) {
      const auto mask = byte < 8 ? static_cast<std::byte>(writable >> (8 * byte)) : std::byte{0xff};
      wanted[byte] ^= static_cast<std::byte>(0x95 + 7 * byte) & mask;
    }
    CHECK((writable == 0 || wanted != *before));
    const auto written = rig.cpu().write(number(i), wanted);
    if (!written) FAIL(written.error().what);
    auto cached = rig.cpu().read(number(i));
    REQUIRE(cached);
    CHECK(*cached == wanted);
    REQUIRE(rig.cpu().arm(DebugPlan{})); // hands over what is still to be
    rig.cpu().exited();
    auto after = rig.cpu().read(number(i));
    REQUIRE(after);
    CHECK(*after == wanted);
    CHECK_FALSE(rig.cpu().write(number(i), Bytes(wanted.size() + 1)));
    CHECK_FALSE(rig.cpu().write(number(i), Bytes(wanted.size() - 1)));
  }
}

TEMPLATE_LIST_TEST_CASE("contract: slot i armed is slot i decoded; without slots it is an error",
                        "",
                        Families) {
  for (const PointKind kind : {PointKind::hardware, PointKind::write, PointKind::access}) {
    const SlotRange usable = TestType::make()->slots_for(kind);
    for (unsigned n = usable.first; usable.holds(n); ++n) {
      Contract<TestType> rig;
      DebugPlan plan;
      for (unsigned m = usable.first; usable.holds(m); ++m) {
        plan.slots[m] = kind == PointKind::hardware ? Slot{rig.entry + 4 * m, 1, kind}
                                                    : Slot{rig.data + 8 * m, 8, kind};
      }
      REQUIRE(rig.cpu().arm(plan));
      TestType::slot_exit(rig.kernel, rig.fd(), n, *plan.slots[n]);
      rig.cpu().exited();
      auto trap = rig.cpu().decode_exit();
      REQUIRE(trap);
      REQUIRE((*trap).has_value());
      CHECK((*trap)->slots == 1u << n);
      CHECK_FALSE((*trap)->guests);
      CHECK_FALSE((*trap)->software);
    }
    if (usable.count != 0) continue;
    Contract<TestType> rig;
    DebugPlan plan;
    plan.slots[0] = Slot{rig.data, 8, kind};
    const auto armed = rig.cpu().arm(plan);
    REQUIRE_FALSE(armed);
    CHECK(armed.error().code == Code::unsupported);
    CHECK(rig.arch->split_watch(kind, rig.data, 8).empty());
  }
}

TEMPLATE_LIST_TEST_CASE("contract: a breakpoint instruction fits, exits, and is told",
                        "",
                        Families) {
  Contract<TestType> rig;
  const ByteView ours = rig.arch->breakpoint_instruction(ByteView(rig.program.bytes).first(4));
  REQUIRE_FALSE(ours.empty());
  CHECK(ours.size() <= max_breakpoint);
  CHECK(rig.arch->breakpoint_instruction({}).size() <= 1); // only x86's fits anywhere
  CHECK_FALSE(rig.arch->breakpoint_name().empty());
  REQUIRE(rig.cpu().arm(DebugPlan{.software = true}));
  TestType::breakpoint_exit(rig.kernel, rig.fd());
  rig.cpu().exited();
  auto trap = rig.cpu().decode_exit();
  REQUIRE(trap);
  REQUIRE((*trap).has_value());
  CHECK((*trap)->software);
  CHECK((*trap)->slots == 0);
}

TEMPLATE_LIST_TEST_CASE("contract: what is unsupported is an error that says so", "", Families) {
  Contract<TestType> rig;
  if (!rig.facts.single_step) {
    const auto stepped = rig.cpu().arm(DebugPlan{.step = true});
    REQUIRE_FALSE(stepped);
    CHECK(stepped.error().code == Code::unsupported);
  }
  if (rig.engine.capabilities().hardware_slots == 0) {
    const auto inserted = rig.insert(PointKind::hardware, rig.at(1));
    REQUIRE_FALSE(inserted);
    CHECK(inserted.error().code == Code::unsupported);
    CHECK(inserted.error().what.find(rig.arch->info().name) != std::string::npos);
  }
  HostFacts nothing;
  nothing.guest_debug = true;
  EngineRig<TestType> bare(1, nothing);
  CHECK_FALSE(bare.engine.capabilities().single_step);
  CHECK_FALSE(bare.resume(Motion::step));
  for (const PointKind kind : {PointKind::software, PointKind::hardware, PointKind::write}) {
    const auto inserted = bare.insert(kind, rig.at(0));
    REQUIRE_FALSE(inserted);
    CHECK(inserted.error().code == Code::unsupported);
    CHECK_FALSE(inserted.error().what.empty());
  }
}

TEMPLATE_LIST_TEST_CASE("contract: every capability that is claimed works", "", Families) {
  Contract<TestType> rig;
  const Capabilities& claimed = rig.engine.capabilities();
  CHECK(claimed.software_points);
  CHECK(claimed.single_step);
  if (claimed.single_step) {
    if (claimed.block_interrupts) TestType::raise_interrupt(rig.kernel, rig.fd());
    CHECK(rig.step() == rig.at(1));
    CHECK(TestType::blocks_interrupts(rig.kernel, rig.fd()) == claimed.block_interrupts);
    CHECK(rig.ram == rig.original);
  }
  if (claimed.software_points) {
    REQUIRE(rig.insert(PointKind::software, rig.at(2)));
    REQUIRE(rig.resume(Motion::run));
    CHECK(rig.template last<HitPoint>() != nullptr);
    CHECK(rig.pc() == rig.at(2));
    CHECK(rig.template get<std::uint32_t>(rig.data) == 1);
    CHECK(rig.step() == rig.at(0)); // off it
    REQUIRE(rig.remove(PointKind::software, rig.at(2)));
  }
  if (claimed.hardware_slots != 0) {
    REQUIRE(rig.insert(PointKind::hardware, rig.at(1)));
    REQUIRE(rig.resume(Motion::run));
    CHECK(rig.template last<HitPoint>() != nullptr);
    CHECK(rig.pc() == rig.at(1));
    REQUIRE(rig.remove(PointKind::hardware, rig.at(1)));
  }
  REQUIRE((claimed.hardware_watch || claimed.stepped_watch));
  const auto before = rig.template get<std::uint32_t>(rig.data);
  REQUIRE(rig.insert(PointKind::write, rig.data, 4));
  REQUIRE(rig.resume(Motion::run));
  REQUIRE(rig.template last<HitWatch>() != nullptr);
  CHECK(rig.template last<HitWatch>()->address == rig.data);
  CHECK(rig.template get<std::uint32_t>(rig.data) == before + (rig.facts.watch_before ? 0 : 1));
  REQUIRE(rig.engine.withdraw());
  std::fill_n(rig.ram.begin() + rig.data, 4, std::byte{0});
  CHECK(rig.ram == rig.original);
}

TEMPLATE_LIST_TEST_CASE(
    "contract: memory by physical address, page tables of a moment, a description", "", Families) {
  Contract<TestType> rig;
  auto where = rig.cpu().translate(Address{0x123456789, {Space::Kind::physical, 0}});
  REQUIRE(where);
  CHECK((*where).physical.value == 0x123456789);
  auto tables = rig.cpu().page_tables();
  REQUIRE(tables);
  auto now = rig.cpu().translate(Address{rig.at(0)}),
       then = (*tables)->translate(Address{rig.at(0)});
  REQUIRE(now);
  REQUIRE(then);
  CHECK((*now).physical == (*then).physical);
  CHECK((*now).levels.empty());
  CHECK_FALSE((*then).levels.empty());
  REQUIRE(rig.cpu().pc());
  const std::size_t asked = rig.kernel.log.size();
  if (rig.cpu().registers_at_hand()) { // then this needs no ioctl
    REQUIRE(rig.cpu().pc());
    REQUIRE(rig.cpu().root());
    REQUIRE(rig.cpu().translate(Address{rig.at(1)}));
    REQUIRE(rig.cpu().page_tables());
    CHECK(rig.kernel.log.size() == asked);
  }
  rig.cpu().exited();
  CHECK_FALSE(rig.cpu().registers_at_hand());
  CHECK_FALSE(rig.cpu().describe().empty());
  auto waits = rig.cpu().waits_for_ever();
  REQUIRE(waits);
  CHECK_FALSE(*waits);
}
