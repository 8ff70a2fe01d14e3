// The start of a core file, read back field by field; and headers that lie.
#include "adapter/core_header.hpp"
#include "tests/fakes/fake_target.hpp"

#include <catch2/catch.hpp>

#include <cstring>
#include <elf.h>

namespace kdbg {
namespace {

template <class T>
T get(ByteView bytes, std::size_t at) {
  T out{};
  REQUIRE(at + sizeof out <= bytes.size());
  std::memcpy(&out, bytes.data() + at, sizeof out);
  return out;
}

struct Note {
  std::string name;
  std::uint32_t type;
  Bytes content;
};
std::vector<Note> notes_of(ByteView file) {
  const auto header = get<Elf64_Phdr>(file, sizeof(Elf64_Ehdr));
  CHECK(header.p_type == PT_NOTE);
  std::vector<Note> out;
  const auto pad = [](std::size_t size) { return (size + 3) / 4 * 4; };
  for (std::size_t at = header.p_offset; at < header.p_offset + header.p_filesz;) {
    const auto note = get<Elf64_Nhdr>(file, at);
    const std::size_t name = at + sizeof note, content = name + pad(note.n_namesz);
    const ByteView bytes = file.subspan(content, note.n_descsz);
    out.push_back({reinterpret_cast<const char*>(file.data() + name), note.n_type,
                   Bytes(bytes.begin(), bytes.end())});
    at = content + pad(note.n_descsz);
  }
  return out;
}

void put_vmcoreinfo(Bytes& page, std::string_view text, std::uint32_t size) {
  const std::uint32_t header[] = {11, size, 0};
  std::memcpy(page.data(), header, sizeof header);
  std::memcpy(page.data() + 12, "VMCOREINFO\0", 12);
  std::memcpy(page.data() + 24, text.data(), text.size());
}

TEST_CASE("a core header has one segment for each range, and every vCPU's notes") {
  fakes::FakeTarget target(2);
  target.poke(VcpuId{1}, fakes::toy_pc, 0x123456789a);
  target.poke(VcpuId{1}, fakes::toy_flags, 0xabcd);
  auto made = render_core_header(target);
  REQUIRE(made);
  const Bytes& file = *made;
  CHECK(file.size() == 0x1000);
  const auto elf = get<Elf64_Ehdr>(file, 0);
  CHECK(std::memcmp(elf.e_ident,
                    "\x7f"
                    "ELF\2\1\1\3",
                    8) == 0);
  CHECK(elf.e_type == ET_CORE);
  CHECK(elf.e_machine == 0x4b);
  CHECK(elf.e_version == 1);
  CHECK(elf.e_ehsize == sizeof elf);
  CHECK(elf.e_phoff == sizeof elf);
  CHECK(elf.e_phentsize == sizeof(Elf64_Phdr));
  REQUIRE(elf.e_phnum == 3);
  const auto first = get<Elf64_Phdr>(file, 64 + 56), second = get<Elf64_Phdr>(file, 64 + 112);
  CHECK(first.p_type == PT_LOAD);
  CHECK(first.p_offset == 0x1000);
  CHECK(first.p_paddr == 0x1000);
  CHECK(first.p_vaddr == 0);
  CHECK(first.p_filesz == 0x1000);
  CHECK(first.p_memsz == 0x1000);
  CHECK(second.p_offset == 0x2000);
  CHECK(second.p_paddr == 0x3000);

  const auto notes = notes_of(file);
  REQUIRE(notes.size() == 2);
  CHECK(notes[1].name == "TOY");
  CHECK(notes[1].type == 9);
  REQUIRE(notes[1].content.size() == 14);
  CHECK(get<std::uint16_t>(notes[0].content, 0) == 7);
  CHECK(get<std::uint16_t>(notes[1].content, 0) == 8); // 7 and the vCPU's number
  CHECK(get<std::uint64_t>(notes[1].content, 2) == 0x123456789a);
  CHECK(get<std::uint32_t>(notes[1].content, 10) == 0xcd00); // masked, then shifted

  auto segments = core_segments(file);
  REQUIRE(segments);
  REQUIRE(segments->size() == 2);
  CHECK((*segments)[1].offset == 0x2000);
  CHECK((*segments)[1].memory == MemoryRange{0x3000, 0x1000});
}

TEST_CASE("a running guest has no core") {
  fakes::FakeTarget target;
  target.start_running();
  auto made = render_core_header(target);
  REQUIRE_FALSE(made);
  CHECK(made.error().code == Code::running);
}

TEST_CASE("the kernel's VMCOREINFO is taken over as it stands, when it is one") {
  const std::string text = "OSRELEASE=6.1.0\nPAGESIZE=4096\n";
  const auto size = static_cast<std::uint32_t>(text.size());
  const auto found = [](const std::function<void(Bytes&)>& change) {
    fakes::FakeTarget target(1);
    change(target.ram.at(0x3000));
    auto search = search_vmcoreinfo(target, 0);
    REQUIRE(search);
    CHECK_FALSE(search->next);
    if (search->found) CHECK(*search->found == 0x3000);
    auto made = render_core_header(target, search->found);
    REQUIRE(made);
    const auto notes = notes_of(*made);
    return notes.size() == 2 ? std::string(reinterpret_cast<const char*>(notes[1].content.data()),
                                           notes[1].content.size())
                             : std::string("none");
  };
  CHECK(found([&](Bytes& page) { put_vmcoreinfo(page, text, size); }) == text);
  CHECK(found([](Bytes&) {}) == "none");
  CHECK(found([&](Bytes& page) { put_vmcoreinfo(page, "OSRELEASX=6", 11); }) == "none");
  CHECK(found([&](Bytes& page) { put_vmcoreinfo(page, text, 5); }) == "none");
  CHECK(found([&](Bytes& page) { put_vmcoreinfo(page, text, 0xffffffff); }) == "none");
  CHECK(found([&](Bytes& page) { put_vmcoreinfo(page, text, 4096); }) == "none"); // ends in a hole
  CHECK(found([&](Bytes& page) {
          put_vmcoreinfo(page, text, size);
          page[8] = std::byte{1}; // another type
        }) == "none");
}

TEST_CASE("a search goes on where it stopped, through memory and holes, to its end") {
  fakes::FakeTarget target(1);
  constexpr std::uint64_t far = 0x100000000, pages = 10000;
  target.ram[far] = Bytes(pages * 0x1000);
  Bytes page(0x1000);
  put_vmcoreinfo(page, "OSRELEASE=x\n", 12);
  std::copy(page.begin(), page.end(), target.ram[far].end() - 0x1000);
  std::uint64_t from = 0;
  unsigned pieces = 1;
  auto search = search_vmcoreinfo(target, from);
  for (; search && search->next; ++pieces) {
    CHECK(*search->next > from);
    from = *search->next;
    search = search_vmcoreinfo(target, from);
  }
  REQUIRE(search);
  CHECK(search->found == far + (pages - 1) * 0x1000);
  CHECK(pages / pieces > 1000);
  CHECK_FALSE(search_vmcoreinfo(target, far + pages * 0x1000)->found);
  CHECK_FALSE(search_vmcoreinfo(target, ~std::uint64_t{0})->found);
  auto wrong = render_core_header(target, 0x1000);
  REQUIRE_FALSE(wrong);
  CHECK(wrong.error().what == "there is no VMCOREINFO at 0x1000");
}

TEST_CASE("a header from elsewhere is checked before anything is written by it") {
  fakes::FakeTarget target(1);
  const Bytes good = *render_core_header(target);
  const auto why = [](const Bytes& header) {
    auto segments = core_segments(header);
    return segments ? "fine" : segments.error().what;
  };
  CHECK(why(good) == "fine");
  CHECK(why({}) == "this is no core header: it does not begin as ELF does");
  const auto changed = [&](std::size_t at, std::uint64_t value) {
    Bytes header = good;
    std::memcpy(header.data() + at, &value, 8);
    return why(header);
  };
  constexpr std::size_t load = 64 + 56;
  CHECK(changed(load + 8, 0) != "fine");        // over the header
  CHECK(changed(load + 8, 1u << 30) != "fine"); // not where the memory begins
  CHECK(changed(load + 32, 0) != "fine");
  CHECK(changed(load + 32, ~0ull) != "fine");
  CHECK(changed(load + 32, 0x1001) != "fine");
  CHECK(changed(load + 24, ~0ull) != "fine");
  CHECK(changed(56, 0xffff) == "this is no core header: it is cut");
  CHECK(changed(56, 1) == "this is no core header: it has no memory");
  for (std::size_t length = 0; length < 300; ++length) {
    CHECK(why(Bytes(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(length))) != "fine");
  }
}

} // namespace
} // namespace kdbg
