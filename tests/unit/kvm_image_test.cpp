// ELF images: good ones, and every way that a file can be broken or hostile.
#include "kvm/machine/image.hpp"

#include <catch2/catch.hpp>

#include <cstring>
#include <elf.h>
#include <memory>

using namespace kdbg;
using namespace kdbg::kvm;

namespace {

/// A valid ELF file of either class, to be broken field by field.
template <class Ehdr, class Phdr>
struct Elf {
  Ehdr header{};
  std::vector<Phdr> segments;
  Bytes data; ///< after the program headers
  Elf() {
    std::memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = sizeof(Ehdr) == sizeof(Elf64_Ehdr) ? ELFCLASS64 : ELFCLASS32;
    header.e_ident[EI_DATA] = ELFDATA2LSB;
    header.e_ident[EI_VERSION] = EV_CURRENT;
    header.e_type = ET_EXEC;
    header.e_machine = sizeof(Ehdr) == sizeof(Elf64_Ehdr) ? EM_X86_64 : EM_386;
    header.e_version = EV_CURRENT;
    header.e_entry = 0x100000;
    header.e_phoff = sizeof(Ehdr);
    header.e_ehsize = sizeof(Ehdr);
    header.e_phentsize = sizeof(Phdr);
  }
  /// One that is loaded at `physical`: 16 bytes from the file, 32 in memory.
  Phdr& load(std::uint32_t physical) {
    Phdr& out = segments.emplace_back();
    out.p_type = PT_LOAD;
    out.p_paddr = out.p_vaddr = physical;
    out.p_filesz = 16;
    out.p_memsz = 32;
    data.resize(data.size() + 16, static_cast<std::byte>(segments.size()));
    return out;
  }
  Phdr& note(const Bytes& bytes) {
    Phdr& out = segments.emplace_back();
    out.p_type = PT_NOTE;
    out.p_filesz = static_cast<decltype(out.p_filesz)>(bytes.size());
    data.insert(data.end(), bytes.begin(), bytes.end());
    return out;
  }
  /// Offsets that are 0 are filled in, in order.
  Bytes file() const {
    Ehdr elf = header;
    if (elf.e_phnum == 0) elf.e_phnum = static_cast<Elf64_Half>(segments.size());
    Bytes out(sizeof elf);
    std::memcpy(out.data(), &elf, sizeof elf);
    auto offset = sizeof elf + segments.size() * sizeof(Phdr);
    for (Phdr segment : segments) {
      const auto size = segment.p_type == PT_LOAD ? 16 : segment.p_filesz;
      if (segment.p_offset == 0) segment.p_offset = static_cast<decltype(segment.p_offset)>(offset);
      offset += size;
      const auto* raw = reinterpret_cast<const std::byte*>(&segment);
      out.insert(out.end(), raw, raw + sizeof segment);
    }
    out.insert(out.end(), data.begin(), data.end());
    return out;
  }
};
using Elf64 = Elf<Elf64_Ehdr, Elf64_Phdr>;
using Elf32 = Elf<Elf32_Ehdr, Elf32_Phdr>;

Bytes xen_note(std::uint32_t type,
               std::uint32_t value,
               std::string_view owner = "Xen",
               std::uint32_t size = 4) {
  const auto names = static_cast<std::uint32_t>(owner.size() + 1);
  const std::uint32_t header[] = {names, size, type};
  Bytes out((sizeof header + names + 3) / 4 * 4 + 4);
  std::memcpy(out.data(), header, sizeof header);
  std::memcpy(out.data() + sizeof header, owner.data(), owner.size());
  std::memcpy(out.data() + out.size() - 4, &value, 4);
  return out;
}

std::string why(const Bytes& file) {
  auto image = parse_image(file);
  if (image) return "loaded";
  CHECK(image.error().code == Code::bad_request);
  CHECK(image.error().what.find("cannot load the image: ") == 0);
  return image.error().what;
}
template <class Break>
std::string why_broken(Break&& change) {
  Elf64 elf;
  elf.load(0x100000);
  change(elf);
  return why(elf.file());
}
bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

bool same(const Image& a, const Image& b) {
  if (a.entry != b.entry || a.entry_kind != b.entry_kind || a.segments.size() != b.segments.size())
    return false;
  for (std::size_t i = 0; i < a.segments.size(); ++i) {
    const auto &x = a.segments[i], &y = b.segments[i];
    if (x.physical != y.physical || x.memory_size != y.memory_size ||
        !std::equal(x.bytes.begin(), x.bytes.end(), y.bytes.begin(), y.bytes.end())) {
      return false;
    }
  }
  return true;
}

} // namespace

TEST_CASE("a bare ELF64 starts in 64-bit mode, a bare ELF32 in 32-bit mode") {
  Elf64 wide;
  wide.header.e_entry = 0x200010;
  wide.load(0x200000);
  wide.load(0x100000);
  const Bytes wide_file = wide.file();
  auto image = parse_image(wide_file);
  REQUIRE(image);
  CHECK(image->entry == 0x200010);
  CHECK(image->entry_kind == Image::Entry::long64);
  REQUIRE(image->segments.size() == 2);
  CHECK(image->segments[0].physical == 0x100000); // sorted
  CHECK(image->segments[0].memory_size == 32);
  CHECK(Bytes(image->segments[0].bytes.begin(), image->segments[0].bytes.end()) ==
        Bytes(16, std::byte{2}));
  CHECK(image->segments[1].bytes[0] == std::byte{1});

  Elf32 narrow;
  narrow.load(0x100000);
  const Bytes narrow_file = narrow.file();
  auto small = parse_image(narrow_file);
  REQUIRE(small);
  CHECK(small->entry == 0x100000);
  CHECK(small->entry_kind == Image::Entry::protected32);
}

TEST_CASE("a Xen note is nothing to an arm64 image") {
  Elf64 elf;
  elf.header.e_machine = EM_AARCH64;
  elf.header.e_entry = 0x40000000;
  elf.load(0x40000000);
  elf.note(xen_note(18, 0x40000010));
  const Bytes file = elf.file();
  auto image = parse_image(file, ByContent{}, machine_arm64);
  if (!image) FAIL(image.error().what);
  CHECK(image->entry == 0x40000000);
  CHECK(image->entry_kind == Image::Entry::arm64);
}

TEST_CASE("a Xen note with a 32-bit entry makes it a PVH image, of either class") {
  Elf64 elf;
  elf.header.e_entry = 0xffffffff81000000; // virtual: not where it starts
  elf.load(0x100000);
  Bytes notes = xen_note(6, 0x1111); // another type
  for (const Bytes& more : {xen_note(18, 0x2222, "GNU"), xen_note(18, 0x10001f)})
    notes.insert(notes.end(), more.begin(), more.end());
  elf.note(notes);
  const Bytes file = elf.file();
  auto image = parse_image(file);
  if (!image) FAIL(image.error().what);
  CHECK(image->entry == 0x10001f);
  CHECK(image->entry_kind == Image::Entry::pvh);

  Elf32 narrow;
  narrow.load(0x100000);
  narrow.note(xen_note(18, 0x100004));
  const Bytes narrow_file = narrow.file();
  auto small = parse_image(narrow_file);
  REQUIRE(small);
  CHECK(small->entry_kind == Image::Entry::pvh);
  CHECK(small->entry == 0x100004);
}

TEST_CASE("notes that lie about their sizes end the search, not the program") {
  for (const std::uint32_t size : {0u, 3u, 0x7fffffffu, 0xfffffffdu, 0xffffffffu}) {
    for (const unsigned field : {0u, 4u}) {
      Elf64 elf;
      elf.load(0x100000);
      Bytes note = xen_note(18, 0x100004);
      std::memcpy(note.data() + field, &size, 4);
      elf.note(note);
      const Bytes file = elf.file();
      auto image = parse_image(file);
      INFO(size << " in " << field);
      REQUIRE(image);
      // the size of the value does not matter, the name's does
      CHECK((image->entry_kind == Image::Entry::pvh) == (field == 4));
    }
  }
  Elf64 elf;
  elf.load(0x100000);
  Bytes cut = xen_note(18, 0x100004);
  cut.resize(cut.size() - 2);
  elf.note(cut);
  const Bytes file = elf.file();
  auto image = parse_image(file);
  REQUIRE(image);
  CHECK(image->entry_kind == Image::Entry::long64);
}

TEST_CASE("a file cut anywhere is an error, never a crash and never another image") {
  Elf64 wide;
  wide.load(0x100000);
  wide.note(xen_note(18, 0x100008));
  wide.load(0x200000);
  Elf32 narrow;
  narrow.load(0x100000);
  narrow.load(0x100020);
  for (const Bytes& file : {wide.file(), narrow.file()}) {
    auto whole = parse_image(file);
    REQUIRE(whole);
    for (std::size_t length = 0; length < file.size(); ++length) {
      INFO("cut to " << length);
      // its own allocation, so that a byte too far is seen
      const Bytes cut(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(length));
      auto image = parse_image(cut);
      if (image)
        CHECK(same(*image, *whole));
      else
        CHECK(image.error().code == Code::bad_request);
    }
    Bytes longer = file;
    longer.resize(longer.size() + 100);
    auto padded = parse_image(longer);
    REQUIRE(padded);
    CHECK(same(*padded, *whole));
  }
}

TEST_CASE("any byte of a file may be anything") {
  Elf64 elf;
  elf.load(0x100000);
  elf.note(xen_note(18, 0x100008));
  const Bytes file = elf.file();
  unsigned refused = 0;
  for (std::size_t i = 0; i < file.size(); ++i) {
    for (const unsigned value : {0x00u, 0x01u, 0x7fu, 0x80u, 0xffu}) {
      Bytes changed = file;
      changed[i] = static_cast<std::byte>(value);
      auto image = parse_image(changed);
      if (!image) {
        ++refused;
        continue;
      }
      for (const auto& segment : image->segments) {
        CHECK(segment.bytes.size() <= segment.memory_size);
        CHECK(segment.physical + segment.memory_size >= segment.physical);
        if (segment.bytes.empty()) continue;
        CHECK(segment.bytes.data() >= changed.data());
        CHECK(segment.bytes.data() + segment.bytes.size() <= changed.data() + changed.size());
      }
    }
  }
  CHECK(refused > 100);
}

TEST_CASE("what is not for this machine is named") {
  CHECK(has(why({}), "it is empty"));
  CHECK(has(why(Bytes(64, std::byte{'M'})), "it is not an ELF file"));
  CHECK(
      has(why_broken([](Elf64& elf) { elf.header.e_ident[EI_DATA] = ELFDATA2MSB; }), "big-endian"));
  CHECK(has(why_broken([](Elf64& elf) { elf.header.e_ident[EI_CLASS] = 7; }),
            "ELF class 7 is unknown"));
  CHECK(has(why_broken([](Elf64& elf) { elf.header.e_machine = EM_AARCH64; }),
            "it is for 64-bit aarch64, this machine is x86_64"));
  CHECK(
      has(why_broken([](Elf64& elf) { elf.header.e_machine = EM_386; }), "it is for 64-bit i386"));
  CHECK(has(why_broken([](Elf64& elf) { elf.header.e_type = ET_REL; }),
            "ELF type 1 is not an executable"));
  Elf32 x32;
  x32.header.e_machine = EM_X86_64;
  x32.load(0x100000);
  CHECK(has(why(x32.file()), "it is for 32-bit x86_64"));
  CHECK(has(why_broken([](Elf64& elf) { elf.header.e_machine = EM_S390; }),
            "it is for 64-bit s390x, this machine is x86_64; KVM runs guests of the host's CPU "
            "family, and kvmdbg speaks no debug interface of that one's KVM"));
  CHECK(
      has(why_broken([](Elf64& elf) { elf.header.e_machine = 4711; }), "64-bit ELF machine 4711"));
}

TEST_CASE("header counts and offsets that make no sense") {
  CHECK(has(why_broken([](Elf64& elf) { elf.header.e_phentsize = 32; }),
            "1 program headers of 32 bytes make no sense"));
  CHECK(has(why_broken([](Elf64& elf) { elf.header.e_phnum = 0xffff; }),
            "65535 program headers of 56 bytes make no sense"));
  CHECK(has(why_broken([](Elf64& elf) { elf.header.e_phnum = 4096; }), "program header"));
  CHECK(has(why_broken([](Elf64& elf) { elf.header.e_phoff = ~std::uint64_t{0} - 8; }),
            "program header at offset 0xfffffffffffffff7 is beyond the end"));
  Elf64 none;
  CHECK(has(why(none.file()), "0 program headers"));
}

TEST_CASE("segments that make no sense") {
  const auto broken = [](auto&& change) {
    return why_broken([&](Elf64& elf) { change(elf.segments[0]); });
  };
  CHECK(has(broken([](Elf64_Phdr& s) { s.p_type = PT_DYNAMIC; }), "it has nothing to load"));
  CHECK(has(broken([](Elf64_Phdr& s) { s.p_memsz = 0; }), "it has nothing to load"));
  CHECK(has(broken([](Elf64_Phdr& s) { s.p_filesz = 1000; }), "is it truncated?"));
  CHECK(has(broken([](Elf64_Phdr& s) { s.p_filesz = ~std::uint64_t{0}; }), "is it truncated?"));
  CHECK(has(broken([](Elf64_Phdr& s) { s.p_offset = ~std::uint64_t{0}; }), "is it truncated?"));
  CHECK(has(broken([](Elf64_Phdr& s) { s.p_memsz = 8; }),
            "segment 0: 0x10 bytes in the file, 0x8 in memory at 0x100000"));
  CHECK(has(broken([](Elf64_Phdr& s) { s.p_memsz = ~std::uint64_t{0}; }), "segment 0: "));
  CHECK(has(broken([](Elf64_Phdr& s) { s.p_paddr = ~std::uint64_t{0}; }), "segment 0: "));
  CHECK(has(broken([](Elf64_Phdr& s) { s.p_paddr = 0x100001; }),
            "its entry point 0x100000 is in no segment"));
  CHECK(has(broken([](Elf64_Phdr& s) { s.p_paddr = 0x100000 - 32; }), "is in no segment"));
  CHECK(broken([](Elf64_Phdr& s) { s.p_paddr = 0x100000 - 31; }) == "loaded");
}

TEST_CASE("segments may touch but not overlap") {
  const auto second_at = [](std::uint32_t at) {
    return why_broken([&](Elf64& elf) { elf.load(at); });
  };
  CHECK(second_at(0x100020) == "loaded");
  CHECK(has(second_at(0x10001f), "the segments at 0x100000 and 0x10001f overlap"));
  CHECK(has(second_at(0x100000), "overlap"));
  CHECK(has(second_at(0x0fffe1), "overlap"));
  CHECK(second_at(0x0fffe0) == "loaded");
}
