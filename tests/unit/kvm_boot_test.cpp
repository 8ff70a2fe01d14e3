// What stands in low memory before the first instruction, read as the guest would read it.
#include "kvm/machine/x86_64/acpi.hpp"
#include "kvm/machine/x86_64/boot.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cstring>
#include <map>
#include <set>

using namespace kdbg;
using namespace kdbg::kvm;

namespace {

constexpr std::uint64_t mib = 0x100000;

struct Boot {
  explicit Boot(std::size_t memory = 4 * mib, std::size_t above_hole = 0)
      : low(memory), high(above_hole), ram(ranges()), code(0x1000, std::byte{0x90}) {
    image.entry = mib;
    image.entry_kind = Image::Entry::pvh;
    image.segments = {{mib, 0x3000, code}};
  }
  std::vector<Ram::Range> ranges() {
    std::vector<Ram::Range> out{{0, low}};
    if (!high.empty()) out.push_back({mmio_hole_end, high});
    return out;
  }
  std::string refused() {
    auto loaded = load(image, files, 1, ram);
    if (loaded) return "loaded";
    CHECK(loaded.error().code == Code::bad_request);
    return loaded.error().what;
  }
  template <class T>
  T get(std::uint64_t at) {
    T out{};
    REQUIRE(ram.load(GuestPhys{at}, out));
    return out;
  }
  std::uint64_t start_info() {
    x86::Regs regs{};
    x86::Sregs sregs{};
    set_entry_state(image, 0, regs, sregs);
    return regs.rbx;
  }
  Bytes low, high;
  Ram ram;
  Bytes code;
  Image image;
  BootFiles files;
};

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

} // namespace

TEST_CASE("the start info tells PVH where everything is") {
  Boot boot(4 * mib, mib);
  const Bytes initrd(0x1234, std::byte{0x42});
  boot.files = {initrd, "console=ttyS0 quiet"};
  REQUIRE(load(boot.image, boot.files, 2, boot.ram));
  const std::uint64_t info = boot.start_info();
  CHECK(boot.get<std::uint32_t>(info) == 0x336ec578);
  CHECK(boot.get<std::uint32_t>(info + 4) == 1); // version: there is a memory map
  CHECK(boot.get<std::uint32_t>(info + 12) == 1);
  const auto modules = boot.get<std::uint64_t>(info + 16);
  const auto command_line = boot.get<std::uint64_t>(info + 24);
  CHECK(boot.get<std::uint64_t>(info + 32) == acpi_area);
  const auto map = boot.get<std::uint64_t>(info + 40);
  const auto entries = boot.get<std::uint32_t>(info + 48);
  CHECK(std::string(reinterpret_cast<const char*>(boot.low.data() + command_line)) ==
        "console=ttyS0 quiet");

  const auto at = boot.get<std::uint64_t>(modules), size = boot.get<std::uint64_t>(modules + 8);
  CHECK(size == initrd.size());
  CHECK(at % 0x1000 == 0);
  CHECK(at >= mib + 0x3000); // not over the image's zeroed part either
  CHECK(at + size <= 4 * mib);
  CHECK(std::equal(initrd.begin(), initrd.end(), boot.low.begin() + static_cast<long>(at)));

  struct Entry {
    std::uint64_t start, size;
    std::uint32_t type, reserved;
  };
  std::vector<Entry> found;
  for (std::uint32_t i = 0; i < entries; ++i)
    found.push_back(boot.get<Entry>(map + i * sizeof(Entry)));
  std::uint64_t end = 0, total = 0;
  for (const Entry& entry : found) {
    CHECK(entry.start >= end); // sorted, not overlapping
    end = entry.start + entry.size;
    if (entry.type != 1) continue;
    total += entry.size;
    boot.get<std::byte>(end - 1); // it is there
  }
  CHECK(total == 5 * mib - (mib - 0x9fc00)); // all but what lies between 639 KiB and 1 MiB
  const bool acpi_reserved = std::any_of(found.begin(), found.end(), [](const Entry& entry) {
    return entry.type == 2 && entry.start <= acpi_area && entry.start + entry.size >= acpi_area_end;
  });
  CHECK(acpi_reserved);
  CHECK(end == mmio_hole_end + mib);
}

TEST_CASE("without an initrd there is no module, without words an empty command line") {
  Boot boot;
  REQUIRE(load(boot.image, boot.files, 1, boot.ram));
  const std::uint64_t info = boot.start_info();
  CHECK(boot.get<std::uint32_t>(info + 12) == 0);
  CHECK(boot.get<std::uint64_t>(info + 16) == 0);
  CHECK(boot.get<char>(boot.get<std::uint64_t>(info + 24)) == 0);
}

TEST_CASE("the image is where it asked to be, zero beyond its bytes untouched") {
  Boot boot;
  REQUIRE(load(boot.image, boot.files, 1, boot.ram));
  CHECK(std::equal(boot.code.begin(), boot.code.end(), boot.low.begin() + mib));
  CHECK(boot.get<std::byte>(mib + 0x1000) == std::byte{0});
}

TEST_CASE("a command line has room for 4095 bytes") {
  Boot boot;
  boot.files.command_line = std::string(4095, 'a');
  REQUIRE(load(boot.image, boot.files, 1, boot.ram));
  const auto at = boot.get<std::uint64_t>(boot.start_info() + 24);
  CHECK(std::strlen(reinterpret_cast<const char*>(boot.low.data() + at)) == 4095);
  boot.files.command_line += 'a';
  CHECK(boot.refused() == "the command line is 4096 bytes, at most 4095 fit");
}

TEST_CASE("an initrd goes as high as it can, up to the very end of the image") {
  for (const std::uint64_t size : {std::uint64_t{1}, std::uint64_t{0x1000}, 3 * mib - 0x3000}) {
    Boot boot;
    const Bytes initrd(size, std::byte{7});
    boot.files.initrd = initrd;
    REQUIRE(load(boot.image, boot.files, 1, boot.ram));
    const auto at = boot.get<std::uint64_t>(boot.get<std::uint64_t>(boot.start_info() + 16));
    CHECK(at == ((4 * mib - size) & ~std::uint64_t{0xfff}));
  }
  for (const std::uint64_t size : {3 * mib - 0x2fff, 4 * mib, 5 * mib}) {
    Boot boot;
    const Bytes initrd(size);
    boot.files.initrd = initrd;
    const std::string why = boot.refused();
    CHECK(has(why, "the initrd (" + std::to_string(size) + " bytes) does not fit"));
    CHECK(has(why, "up to 0x103000"));
    CHECK(has(why, "0x400000"));
  }
}

TEST_CASE("an image over the boot data or the ACPI tables is refused with the addresses") {
  const struct {
    std::uint64_t at, size;
    bool hits;
  } cases[] = {
      {boot_area - 0x10, 0x10, false}, {boot_area - 0x10, 0x11, true}, {boot_area_end - 1, 1, true},
      {boot_area_end, 1, false},       {acpi_area - 1, 1, false},      {acpi_area - 1, 2, true},
      {acpi_area_end - 1, 1, true},    {acpi_area_end, 1, false},      {0, mib, true}};
  for (const auto& each : cases) {
    INFO(std::hex << each.at << " + " << each.size);
    Boot boot;
    boot.image.segments.insert(boot.image.segments.begin(), {each.at, each.size, {}});
    const std::string why = boot.refused();
    CHECK((why != "loaded") == each.hits);
    if (each.hits) CHECK(has(why, "overlaps the boot data at 0x90000-0xa0000 or 0xf0000-0xf4000"));
  }
}

TEST_CASE("too little memory is an error that says what did not fit, whatever the size") {
  for (std::size_t memory = 0; memory < mib + 0x3000; memory += 0x1000) {
    INFO(std::hex << memory);
    Boot boot(memory);
    boot.image.segments[0].physical = boot.image.entry = 0x1000; // fits from 16 KiB on
    const std::string why = boot.refused();
    CHECK((why == "loaded") == (memory >= acpi_area + 0x1000));
    if (why != "loaded") CHECK(has(why, "give it more with --memory"));
  }
  Boot boot(mib + 0x2fff);
  CHECK(has(boot.refused(), "segment 0x100000-0x103000 does not fit the memory"));
  boot.code.resize(0x3000);
  boot.image.segments[0].bytes = boot.code;
  CHECK(has(boot.refused(), "the image (12288 bytes at 0x100000) does not fit the memory"));
}

// Every byte must have memory, not just the last.
TEST_CASE("a segment across the hole below 4 GiB does not fit") {
  Boot boot(4 * mib, mib);
  boot.image.segments[0].memory_size = mmio_hole_end - mib + 0x1000;
  CHECK(has(boot.refused(), "does not fit the memory"));
}

TEST_CASE("each kind of entry gets the CPU state that it expects") {
  for (const auto kind : {Image::Entry::protected32, Image::Entry::long64, Image::Entry::pvh}) {
    Boot boot;
    boot.image.entry_kind = kind;
    REQUIRE(load(boot.image, boot.files, 3, boot.ram));
    x86::Regs regs{};
    x86::Sregs sregs{};
    regs.r15 = 1;
    set_entry_state(boot.image, 2, regs, sregs);
    const bool wide = kind == Image::Entry::long64;
    CHECK(regs.rip == mib);
    CHECK(regs.rflags == 2); // interrupts off
    CHECK(regs.r15 == 0);
    CHECK(regs.rdi == 2);
    CHECK((sregs.cr0 & x86::cr0_pe) != 0);
    CHECK(((sregs.cr0 & x86::cr0_pg) != 0) == wide);
    CHECK(sregs.cs.l == (wide ? 1 : 0));
    CHECK(sregs.cs.db == (wide ? 0 : 1));
    CHECK(((sregs.efer & x86::efer_lma) != 0) == wide);
    // the selectors name descriptors of the GDT in memory that say the same
    for (const x86::Segment* segment : {&sregs.cs, &sregs.ss, &sregs.ds, &sregs.es}) {
      CHECK(segment->base == 0);
      CHECK(segment->limit == 0xffffffff);
      REQUIRE(segment->selector + 7u <= sregs.gdt.limit);
      const auto raw = boot.get<std::uint64_t>(sregs.gdt.base + segment->selector);
      CHECK((raw >> 40 & 0xf) == segment->type);
      CHECK((raw >> 47 & 1) == 1);
      CHECK((raw >> 53 & 1) == segment->l);
      CHECK((raw >> 54 & 1) == segment->db);
    }
    if (!wide) continue;
    for (const std::uint64_t linear : {0x0ull, 0x100000ull, 0xfee00000ull, 0xffffffffull}) {
      const auto pml4e = boot.get<std::uint64_t>(sregs.cr3);
      const auto pdpte = boot.get<std::uint64_t>((pml4e & ~0xfffull) + (linear >> 30) * 8);
      const auto pde = boot.get<std::uint64_t>((pdpte & ~0xfffull) + (linear >> 21 & 511) * 8);
      CHECK((pml4e & 3) == 3);
      CHECK((pdpte & 0x83) == 3);
      CHECK(pde == ((linear & ~0x1fffffull) | 0x83));
    }
  }
}

namespace {

/// The tables as an operating system walks them, from the root pointer in memory.
struct Acpi {
  explicit Acpi(std::size_t vcpus) : bytes(acpi_tables(acpi_area, vcpus)) {}
  Bytes bytes;
  std::uint64_t get(std::uint64_t at, std::size_t count) const {
    std::uint64_t out = 0;
    REQUIRE(at >= acpi_area);
    REQUIRE(at - acpi_area + count <= bytes.size());
    std::memcpy(&out, bytes.data() + (at - acpi_area), count);
    return out;
  }
  std::string text(std::uint64_t at, std::size_t count) const {
    std::string out;
    for (std::size_t i = 0; i < count; ++i)
      out += static_cast<char>(get(at + i, 1));
    return out;
  }
  unsigned sum(std::uint64_t at, std::uint64_t count) const {
    unsigned out = 0;
    for (std::uint64_t i = 0; i < count; ++i)
      out += static_cast<unsigned>(get(at + i, 1));
    return out & 0xff;
  }
  /// A table with the right signature and checksum; its length.
  std::uint64_t table(std::uint64_t at, const std::string& signature) const {
    INFO(signature);
    CHECK(text(at, 4) == signature);
    const std::uint64_t length = get(at + 4, 4);
    REQUIRE(length >= 36);
    CHECK(sum(at, length) == 0);
    CHECK(text(at + 10, 6) == "KVMDBG");
    return length;
  }
};

} // namespace

TEST_CASE("the ACPI tables are reachable from the root pointer and their checksums are right") {
  for (const std::size_t vcpus : {1u, 2u, 7u, 64u, 255u}) {
    const Acpi acpi(vcpus);
    INFO(vcpus << " vCPUs");
    CHECK(acpi.bytes.size() <= acpi_area_end - acpi_area);
    CHECK(acpi.text(acpi_area, 8) == "RSD PTR ");
    CHECK(acpi.get(acpi_area + 15, 1) == 2);
    CHECK(acpi.sum(acpi_area, 20) == 0);
    CHECK(acpi.sum(acpi_area, acpi.get(acpi_area + 20, 4)) == 0);
    const std::uint64_t xsdt = acpi.get(acpi_area + 24, 8);
    const std::uint64_t count = (acpi.table(xsdt, "XSDT") - 36) / 8;
    std::map<std::string, std::uint64_t> found;
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::uint64_t at = acpi.get(xsdt + 36 + 8 * i, 8);
      found[acpi.text(at, 4)] = at;
    }
    REQUIRE(found.size() == 2);
    REQUIRE(found.contains("FACP"));
    REQUIRE(found.contains("APIC"));

    const std::uint64_t fadt = found["FACP"];
    CHECK(acpi.table(fadt, "FACP") == 244); // revision 3
    CHECK(acpi.get(fadt + 8, 1) == 3);
    const std::uint64_t dsdt = acpi.get(fadt + 140, 8);
    CHECK(acpi.get(fadt + 40, 4) == dsdt);
    CHECK(acpi.get(fadt + 46, 2) == 9);               // SCI
    CHECK(acpi.get(fadt + 56, 4) == acpi_events);     // PM1a event block
    CHECK(acpi.get(fadt + 64, 4) == acpi_control);    // PM1a control block
    CHECK(acpi.get(fadt + 88, 1) == 4);               // PM1_EVT_LEN
    CHECK(acpi.get(fadt + 89, 1) == 2);               // PM1_CNT_LEN
    CHECK((acpi.get(fadt + 112, 4) & 1u << 10) != 0); // RESET_REG_SUP
    CHECK(acpi.get(fadt + 116, 1) == 1);              // in I/O space
    CHECK(acpi.get(fadt + 120, 8) == acpi_reset);
    CHECK(acpi.get(fadt + 128, 1) == 6);
    CHECK(acpi.get(fadt + 152, 8) == acpi_events);  // X_PM1a_EVT_BLK
    CHECK(acpi.get(fadt + 176, 8) == acpi_control); // X_PM1a_CNT_BLK

    CHECK(acpi.table(dsdt, "DSDT") == 36 + 12);
    CHECK(acpi.text(dsdt + 37, 4) == "_S5_");

    const std::uint64_t madt = found["APIC"], end = madt + acpi.table(madt, "APIC");
    CHECK(acpi.get(madt + 36, 4) == 0xfee00000);
    std::set<std::uint64_t> ids;
    unsigned io_apics = 0;
    std::uint64_t at = madt + 44;
    while (at < end) {
      const std::uint64_t type = acpi.get(at, 1), length = acpi.get(at + 1, 1);
      REQUIRE(length >= 2);
      if (type == 0) {
        CHECK(length == 8);
        CHECK((acpi.get(at + 4, 4) & 1) == 1); // enabled
        CHECK(ids.insert(acpi.get(at + 3, 1)).second);
      }
      if (type == 1) {
        ++io_apics;
        CHECK(acpi.get(at + 4, 4) == 0xfec00000);
        CHECK(acpi.get(at + 8, 4) == 0);
      }
      at += length;
    }
    CHECK(at == end);
    CHECK(io_apics == 1);
    CHECK(ids.size() == vcpus);
    CHECK(*ids.rbegin() == vcpus - 1);
  }
}
