// The table of CPU families: which are known, and what is said of the others.
#include "kvm/arch/family.hpp"

#include <catch2/catch.hpp>

#include <set>
#include <sys/utsname.h>

using namespace kdbg;
using namespace kdbg::kvm;

TEST_CASE("88 family: each known machine by its name, with an ELF machine and an Arch of its own") {
  std::set<std::string_view> names;
  std::set<std::uint16_t> machines;
  for (const Family& one : families()) {
    auto found = family(one.machine);
    REQUIRE(found);
    CHECK(*found == &one);
    CHECK(names.insert(one.machine).second);
    CHECK(machines.insert(one.elf_machine).second);
    const auto arch = one.make(HostFacts{});
    REQUIRE(arch != nullptr);
    CHECK(arch->info().name == one.machine);
    CHECK(arch->info().elf_machine == one.elf_machine);
  }
  CHECK(names.contains("x86_64"));
  CHECK(names.contains("loongarch64"));
  CHECK(names.contains("riscv64"));
}

TEST_CASE("88 family: s390x, POWER and MIPS are refused with what fails there and what to do") {
  struct Row {
    std::string_view machine, says;
  };
  constexpr Row rows[] = {{"s390x", "KVM_CAP_S390_USER_INSTR0"},
                          {"ppc64", "KVM_REG_PPC_DEBUG_INST"},
                          {"ppc64le", "KVM_CAP_PPC_GUEST_DEBUG_SSTEP"},
                          {"mips", "ENOTTY"},
                          {"mips64", "ENOTTY"},
                          {"sparc64", "no code for this architecture"},
                          {"", "no code for this architecture"}};
  for (const Row& row : rows) {
    INFO(row.machine);
    auto found = family(row.machine);
    REQUIRE_FALSE(found);
    CHECK(found.error().code == Code::unsupported);
    CHECK(found.error().what.find(row.says) != std::string::npos);
    CHECK(found.error().what.find("qemu -gdb") != std::string::npos);
    CHECK(found.error().what.find("x86_64") != std::string::npos);
  }
}

TEST_CASE("88 family: the host's own") {
  utsname host{};
  REQUIRE(uname(&host) == 0);
  auto expected = family(host.machine), found = host_family();
  REQUIRE(bool(expected) == bool(found));
  if (found) {
    CHECK(*found == *expected);
  } else {
    CHECK(found.error().what == expected.error().what);
  }
}
