// What multiboot, Linux, flat binaries and firmware find at their start, read as the guest would.
#include "kvm/machine/x86_64/acpi.hpp"
#include "kvm/machine/x86_64/boot.hpp"
#include "kvm/machine/x86_64/cmos.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cstring>

using namespace kdbg;
using namespace kdbg::kvm;

namespace {

constexpr std::uint64_t mib = 0x100000;

struct Boot {
  explicit Boot(Image::Entry kind, std::uint64_t at = mib)
      : low(8 * mib), ram({{0, low}}), code(0x1000, std::byte{0x90}) {
    image.entry_kind = kind;
    image.entry = at;
    image.segments = {{at, 0x3000, code}};
  }
  void enter() {
    auto loaded = load(image, files, 1, ram);
    if (!loaded) FAIL(loaded.error().what);
    set_entry_state(image, 0, regs, sregs);
  }
  std::string refused() {
    auto loaded = load(image, files, 1, ram);
    return loaded ? "loaded" : loaded.error().what;
  }
  template <class T>
  T get(std::uint64_t at) {
    T out{};
    REQUIRE(ram.load(GuestPhys{at}, out));
    return out;
  }
  std::string text(std::uint64_t at) { return reinterpret_cast<const char*>(low.data() + at); }
  Bytes low;
  Ram ram;
  Bytes code;
  Image image;
  BootFiles files;
  x86::Regs regs{};
  x86::Sregs sregs{};
};

/// base, limit and access of a descriptor must say what the segment register holds.
void check_selector(Boot& boot, const x86::Segment& segment) {
  const auto raw = boot.get<std::uint64_t>(boot.sregs.gdt.base + segment.selector);
  CHECK(boot.sregs.gdt.limit >= segment.selector + 7);
  CHECK((raw >> 47 & 1) == 1);
  CHECK((raw >> 53 & 1) == segment.l);
  CHECK((raw >> 54 & 1) == segment.db);
  CHECK((raw >> 43 & 1) == (segment.type >> 3));
}

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

} // namespace

TEST_CASE("multiboot: magic in EAX, and information with memory, command line, module and map") {
  Boot boot(Image::Entry::multiboot);
  const Bytes initrd(0x1234, std::byte{0x42});
  boot.files = {initrd, "one two", "kernel.elf", "modules.img"};
  boot.enter();
  CHECK(boot.regs.rax == 0x2badb002);
  CHECK(boot.regs.rip == mib);
  CHECK((boot.sregs.cr0 & 0x80000001) == 1);
  check_selector(boot, boot.sregs.cs);
  check_selector(boot, boot.sregs.ds);
  const std::uint64_t info = boot.regs.rbx;
  CHECK((boot.get<std::uint32_t>(info) & 0x4d) == 0x4d);
  CHECK((boot.get<std::uint32_t>(info) & 0x1800) == 0); // no video
  CHECK(boot.get<std::uint32_t>(info + 4) == 639);
  CHECK(boot.get<std::uint32_t>(info + 8) == 7 * 1024);
  CHECK(boot.text(boot.get<std::uint32_t>(info + 16)) == "kernel.elf one two");
  REQUIRE(boot.get<std::uint32_t>(info + 20) == 1);
  const auto module = boot.get<std::uint32_t>(info + 24);
  const auto start = boot.get<std::uint32_t>(module), end = boot.get<std::uint32_t>(module + 4);
  CHECK(end - start == initrd.size());
  CHECK(start % 4096 == 0);
  CHECK(std::equal(initrd.begin(), initrd.end(), boot.low.begin() + start));
  CHECK(boot.text(boot.get<std::uint32_t>(module + 8)) == "modules.img");
  const auto map_length = boot.get<std::uint32_t>(info + 44),
             map = boot.get<std::uint32_t>(info + 48);
  std::uint64_t usable = 0;
  std::uint32_t at = 0;
  while (at < map_length) {
    if (boot.get<std::uint32_t>(map + at + 20) == 1)
      usable += boot.get<std::uint64_t>(map + at + 12);
    at += boot.get<std::uint32_t>(map + at) + 4;
  }
  CHECK(at == map_length);
  CHECK(usable == 7 * mib + 0x9fc00);
  CHECK(boot.text(boot.get<std::uint32_t>(info + 64)) == "kvmdbg");
}

TEST_CASE("Linux: the zero page holds the setup header, E820, command line and initrd") {
  for (const auto kind : {Image::Entry::linux64, Image::Entry::linux32}) {
    Boot boot(kind);
    Bytes header(0x26c - 0x1f1);
    const auto set = [&](std::size_t at, std::uint32_t value) {
      std::memcpy(header.data() + at - 0x1f1, &value, 4);
    };
    set(0x202, 0x53726448);
    set(0x22c, 0x6fffff); // initrd_addr_max
    set(0x238, 20);       // cmdline_size
    boot.image.setup_header = header;
    const Bytes initrd(0x2000, std::byte{0x42});
    boot.files = {initrd, "console=ttyS0"};
    boot.enter();
    const std::uint64_t page = boot.regs.rsi;
    const bool wide = kind == Image::Entry::linux64;
    CHECK(((boot.sregs.efer & 0x500) == 0x500) == wide);
    CHECK(boot.sregs.cs.selector == 0x10);
    CHECK(boot.sregs.ds.selector == 0x18);
    check_selector(boot, boot.sregs.cs);
    check_selector(boot, boot.sregs.ds);
    CHECK((boot.regs.rbx | boot.regs.rbp | boot.regs.rdi) == 0);
    CHECK(boot.get<std::uint32_t>(page + 0x202) == 0x53726448);
    CHECK(boot.get<std::uint8_t>(page + 0x210) == 0xff);
    CHECK(boot.text(boot.get<std::uint32_t>(page + 0x228)) == "console=ttyS0");
    CHECK(boot.get<std::uint64_t>(page + 0x70) == acpi_area);
    CHECK(boot.get<std::uint32_t>(page + 0x21c) == initrd.size());
    CHECK(boot.get<std::uint32_t>(page + 0x218) == 0x6fe000); // below initrd_addr_max
    REQUIRE(boot.get<std::uint8_t>(page + 0x1e8) == 3);
    CHECK(boot.get<std::uint64_t>(page + 0x2d0 + 40) == mib);
    CHECK(boot.get<std::uint64_t>(page + 0x2d0 + 48) == 7 * mib);
    CHECK(boot.get<std::uint32_t>(page + 0x2d0 + 56) == 1);
    boot.files.command_line = std::string(21, 'x');
    CHECK(has(boot.refused(), "the command line is 21 bytes, this kernel takes 20"));
  }
}

TEST_CASE("a flat binary starts as a BIOS leaves it") {
  Boot boot(Image::Entry::real16, 0x7c00);
  boot.sregs.cs.limit = 0xffff;
  boot.enter();
  CHECK(boot.regs.rip == 0x7c00);
  CHECK(boot.sregs.cs.base == 0);
  CHECK(boot.sregs.cs.selector == 0);
  CHECK(boot.regs.rdx == 0x80);
  CHECK(boot.regs.rsp == 0x7c00);
  CHECK(boot.sregs.cs.limit == 0xffff); // KVM's real-mode limit is kept
  const auto vector = boot.get<std::uint32_t>(0x13 * 4);
  CHECK(boot.get<std::uint8_t>((vector >> 16) * 16 + (vector & 0xffff)) == 0xcf); // iret
  CHECK(boot.get<std::uint16_t>(0x413) == 639);

  Boot high(Image::Entry::real16, 0x9fff8); // also where other images have boot data
  high.enter();
  CHECK(high.sregs.cs.selector == 0x9fff);
  CHECK(high.sregs.cs.base == 0x9fff0);
  CHECK(high.regs.rip == 8);
  high.files.command_line = std::string(1, 'x');
  CHECK(has(high.refused(), "--append and --initrd mean nothing"));
}

TEST_CASE("firmware gets a CPU as it comes out of reset, and nothing else") {
  Boot boot(Image::Entry::reset_vector, 0xf0000);
  boot.regs.rip = 0xfff0;
  boot.sregs.cs.base = 0xffff0000;
  boot.enter();
  CHECK(boot.regs.rip == 0xfff0);
  CHECK(boot.sregs.cs.base == 0xffff0000);
  CHECK(std::all_of(boot.low.begin(), boot.low.begin() + 0xf0000,
                    [](std::byte b) { return b == std::byte{0}; }));
}

TEST_CASE("the CMOS tells firmware how much memory there is, and keeps what it writes") {
  const std::uint64_t gib = 1024 * mib;
  Cmos cmos(3, 2 * gib, 6 * gib);
  const auto read = [&](unsigned at, unsigned count) {
    std::uint64_t value = 0;
    for (unsigned i = 0; i < count; ++i) {
      cmos.select(static_cast<std::uint8_t>(at + i));
      value |= std::uint64_t{cmos.read()} << (8 * i);
    }
    return value;
  };
  CHECK(read(0x15, 2) == 640);
  CHECK(read(0x30, 2) == 0xffff); // KiB above 1 MiB, as many as fit
  CHECK(read(0x34, 2) == (2 * gib - 16 * mib) / 0x10000);
  CHECK(read(0x5b, 3) == 4 * gib / 0x10000);
  CHECK(read(0x5f, 1) == 2);
  cmos.select(0x8f); // bit 7 masks NMI
  cmos.write(0x5a);
  CHECK(read(0x0f, 1) == 0x5a);
  cmos.select(0x0d);
  cmos.write(0);
  CHECK(read(0x0d, 1) == 0x80);
  const Cmos small(1, mib, mib);
  CHECK(small.save().bytes[0x34] == 0);
  CHECK(small.save().bytes[0x17] == 0);
}
