// Images that are not plain ELF: bzImage, multiboot, flat binaries, firmware; good and hostile.
#include "kvm/machine/image.hpp"

#include <catch2/catch.hpp>

#include <cstring>
#include <elf.h>

using namespace kdbg;
using namespace kdbg::kvm;

namespace {

template <class T>
void set(Bytes& file, std::size_t at, T value) {
  std::memcpy(file.data() + at, &value, sizeof value);
}

/// A bzImage with two setup sectors and 0x400 bytes of kernel, as Linux 6 fills it in.
Bytes bzimage() {
  Bytes file(3 * 512 + 0x400);
  set<std::uint8_t>(file, 0x1f1, 2);
  set<std::uint16_t>(file, 0x1fe, 0xaa55);
  set<std::uint8_t>(file, 0x201, 0x6a);
  set<std::uint32_t>(file, 0x202, 0x53726448);
  set<std::uint16_t>(file, 0x206, 0x20f);
  set<std::uint8_t>(file, 0x211, 1);
  set<std::uint8_t>(file, 0x234, 1);
  set<std::uint16_t>(file, 0x236, 1);
  set<std::uint64_t>(file, 0x258, 0x1000000);
  set<std::uint32_t>(file, 0x260, 0x8000);
  set<std::uint8_t>(file, 3 * 512, 0x42);
  return file;
}

/// Multiboot with addresses: the header at 0x10 of a file that is loaded at 1 MiB.
struct Multiboot {
  std::uint32_t magic = 0x1badb002, flags = 0x10003, checksum = 0;
  std::uint32_t header = 0x100010, load = 0x100000, load_end = 0x100100, bss_end = 0x100200,
                entry = 0x100040;
  Bytes file() const {
    Bytes out(0x100);
    Multiboot whole = *this;
    if (checksum == 0) whole.checksum = -(magic + flags);
    std::memcpy(out.data() + 0x10, &whole, sizeof whole);
    return out;
  }
};

std::string why(const Bytes& file, const ImageFormat& format = ByContent{}) {
  auto image = parse_image(file, format);
  if (image) return "loaded";
  CHECK(image.error().code == Code::bad_request);
  CHECK(image.error().what.find("cannot load the image: ") == 0);
  return image.error().what;
}
template <class Change>
std::string why_bzimage(Change&& change) {
  Bytes file = bzimage();
  change(file);
  return why(file);
}
bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

} // namespace

TEST_CASE("a bzImage starts where it likes best, at its 64-bit entry when it has one") {
  Bytes file = bzimage();
  auto image = parse_image(file);
  if (!image) FAIL(image.error().what);
  CHECK(image->entry_kind == Image::Entry::linux64);
  CHECK(image->entry == 0x1000200);
  REQUIRE(image->segments.size() == 1);
  CHECK(image->segments[0].physical == 0x1000000);
  CHECK(image->segments[0].memory_size == 0x8000);
  CHECK(image->segments[0].bytes.size() == 0x400);
  CHECK(image->segments[0].bytes[0] == std::byte{0x42});
  CHECK(image->setup_header.data() == file.data() + 0x1f1);
  CHECK(image->setup_header.size() == 0x26c - 0x1f1);

  set<std::uint16_t>(file, 0x236, 0);
  auto narrow = parse_image(file);
  REQUIRE(narrow);
  CHECK(narrow->entry_kind == Image::Entry::linux32);
  CHECK(narrow->entry == 0x1000000);

  set<std::uint8_t>(file, 0x234, 0);
  auto fixed = parse_image(file);
  REQUIRE(fixed);
  CHECK(fixed->entry == 0x100000);

  set<std::uint8_t>(file, 0x1f1, 0); // no count: 4 sectors
  CHECK(has(why(file), "its kernel at offset 0xa00 is beyond the end"));
}

TEST_CASE("a bzImage that cannot be is refused by the field") {
  CHECK(has(why_bzimage([](Bytes& f) { set<std::uint16_t>(f, 0x206, 0x209); }), "2.09 is older"));
  CHECK(has(why_bzimage([](Bytes& f) { set<std::uint8_t>(f, 0x211, 0); }), "zImage"));
  CHECK(has(why_bzimage([](Bytes& f) { set<std::uint8_t>(f, 0x201, 0x20); }), "ends at 0x222"));
  CHECK(has(why_bzimage([](Bytes& f) { set<std::uint8_t>(f, 0x201, 0xff); }), "ends at 0x301"));
  CHECK(has(why_bzimage([](Bytes& f) { set<std::uint8_t>(f, 0x1f1, 255); }), "beyond the end"));
  for (const std::uint64_t place :
       {std::uint64_t{0}, std::uint64_t{0x90000}, std::uint64_t{0xffffffff}, std::uint64_t{1} << 40,
        ~std::uint64_t{0}}) {
    CHECK(has(why_bzimage([&](Bytes& f) { set(f, 0x258, place); }), "pref_address"));
  }
  CHECK(has(why_bzimage([](Bytes& f) { set<std::uint32_t>(f, 0x260, 0xffffffff); }), "init_size"));
}

TEST_CASE("a multiboot header with addresses says what goes where") {
  const Bytes file = Multiboot().file();
  auto image = parse_image(file);
  if (!image) FAIL(image.error().what);
  CHECK(image->entry_kind == Image::Entry::multiboot);
  CHECK(image->entry == 0x100040);
  REQUIRE(image->segments.size() == 1);
  CHECK(image->segments[0].physical == 0x100000);
  CHECK(image->segments[0].memory_size == 0x200);
  CHECK(image->segments[0].bytes.size() == 0x100);
  CHECK(image->segments[0].bytes.data() == file.data());

  Multiboot open;
  open.load_end = open.bss_end = 0; // to the end of the file, and no more
  open.load = 0x100008;
  const Bytes open_file = open.file();
  auto rest = parse_image(open_file);
  REQUIRE(rest);
  CHECK(rest->segments[0].physical == 0x100008);
  CHECK(rest->segments[0].bytes.size() == 0xf8);
  CHECK(rest->segments[0].memory_size == 0xf8);
}

TEST_CASE("a multiboot header that lies is refused") {
  Multiboot m;
  m.load = 0xff000; // the file begins later
  CHECK(has(why(m.file()), "lies before the file"));
  m = {};
  m.load = 0x100011;
  CHECK(has(why(m.file()), "header_addr 0x100010"));
  m = {};
  m.load_end = 0x100101;
  CHECK(has(why(m.file()), "is not in the file"));
  m = {};
  m.load_end = m.load;
  CHECK(has(why(m.file()), "is not in the file"));
  m = {};
  m.entry = 0x100200;
  CHECK(has(why(m.file()), "entry point 0x100200 is in no segment"));
  m = {};
  m.flags = 0x10008;
  CHECK(has(why(m.file()), "ask for 0x8"));
  m = {};
  m.flags = 3;
  CHECK(has(why(m.file()), "without load addresses"));
  m = {};
  m.checksum = 1; // no multiboot header, then
  CHECK(has(why(m.file()), "not an ELF file, a multiboot kernel or a Linux bzImage"));
}

TEST_CASE("an ELF file with a multiboot header is entered by that, whatever else it has") {
  struct {
    Elf32_Ehdr elf{};
    Elf32_Phdr segment{};
    std::uint32_t multiboot[3] = {0x1badb002, 0, -0x1badb002u};
    std::uint32_t code[5]{};
  } whole;
  std::memcpy(whole.elf.e_ident, ELFMAG, SELFMAG);
  whole.elf.e_ident[EI_CLASS] = ELFCLASS32;
  whole.elf.e_ident[EI_DATA] = ELFDATA2LSB;
  whole.elf.e_type = ET_EXEC;
  whole.elf.e_machine = EM_386;
  whole.elf.e_entry = 0x100000;
  whole.elf.e_phoff = sizeof whole.elf;
  whole.elf.e_phentsize = sizeof whole.segment;
  whole.elf.e_phnum = 1;
  whole.segment.p_type = PT_LOAD;
  whole.segment.p_paddr = 0x100000;
  whole.segment.p_offset = sizeof whole.elf + sizeof whole.segment;
  whole.segment.p_filesz = whole.segment.p_memsz = sizeof whole.multiboot + sizeof whole.code;
  Bytes file(sizeof whole);
  std::memcpy(file.data(), &whole, sizeof whole);
  auto image = parse_image(file);
  if (!image) FAIL(image.error().what);
  CHECK(image->entry_kind == Image::Entry::multiboot);
  CHECK(image->entry == 0x100000);
  CHECK(wants_interrupts(image->entry_kind));
}

TEST_CASE("a flat binary is anything, anywhere that real mode reaches") {
  const Bytes file(512, std::byte{0x90});
  auto image = parse_image(file, FlatAt{0x7c00});
  REQUIRE(image);
  CHECK(image->entry_kind == Image::Entry::real16);
  CHECK(image->entry == 0x7c00);
  REQUIRE(image->segments.size() == 1);
  CHECK(image->segments[0].physical == 0x7c00);
  CHECK(image->segments[0].memory_size == 512);
  CHECK(has(why({}, FlatAt{0x7c00}), "it is empty"));
  CHECK(why(file, FlatAt{0xfffff}) == "loaded"); // the rest lies above 1 MiB: legal, if odd
  CHECK(has(why(file, FlatAt{0x100000}), "below 0x100000 only"));
}

TEST_CASE("firmware ends at 4 GiB, and its last 256 KiB at 1 MiB") {
  Bytes file(0x80000);
  file[0x40000] = std::byte{1};
  auto image = parse_image(file, Firmware{});
  if (!image) FAIL(image.error().what);
  CHECK(image->entry_kind == Image::Entry::reset_vector);
  CHECK(image->rom == 0x80000);
  REQUIRE(image->segments.size() == 2);
  CHECK(image->segments[0].physical == 0xc0000);
  CHECK(image->segments[0].bytes.data() == file.data() + 0x40000);
  CHECK(image->segments[1].physical == 0xfff80000);
  CHECK(image->segments[1].bytes.size() == file.size());

  const Bytes small(0x10000);
  auto little = parse_image(small, Firmware{});
  REQUIRE(little);
  CHECK(little->segments[0].physical == 0xf0000);
  for (const std::size_t size : {std::size_t{0}, std::size_t{100}, std::size_t{0x1001000}}) {
    CHECK(has(why(Bytes(size), Firmware{}), "firmware is whole 4 KiB pages"));
  }
}

TEST_CASE("cut or changed anywhere, such a file is an error or an image, never a crash") {
  for (const Bytes& file : {bzimage(), Multiboot().file()}) {
    for (std::size_t length = 0; length < file.size(); length += 3) {
      const Bytes cut(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(length));
      ignore(parse_image(cut));
    }
    for (std::size_t at = 0; at < std::min<std::size_t>(file.size(), 0x270); ++at) {
      for (const unsigned value : {0x00u, 0x7fu, 0x80u, 0xffu}) {
        Bytes changed = file;
        changed[at] = static_cast<std::byte>(value);
        auto image = parse_image(changed);
        if (!image) continue;
        for (const auto& segment : image->segments) {
          CHECK(segment.bytes.size() <= segment.memory_size);
          CHECK(segment.bytes.data() >= changed.data());
          CHECK(segment.bytes.data() + segment.bytes.size() <= changed.data() + changed.size());
        }
      }
    }
  }
}
