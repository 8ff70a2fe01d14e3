// ELF32 and ELF64 executables, bare or with a PVH entry note (Debian's vmlinux has one).
#include "kvm/machine/image/formats.hpp"

#include <array>
#include <elf.h>

namespace kdbg::kvm::image {
namespace {

constexpr std::uint32_t pvh_note_type = 18; // XEN_ELFNOTE_PHYS32_ENTRY
constexpr std::uint64_t most_headers = 4096;

/// What we need of a program header, of either class.
struct Header {
  std::uint32_t type;
  std::uint64_t offset, file_size, memory_size, physical, align;
};

Result<ByteView> contents(ByteView file, const Header& header, std::size_t n) {
  if (header.offset > file.size() || file.size() - header.offset < header.file_size) {
    return bad(fmt::format("segment {} ({} bytes at offset {:#x}) is beyond the end of the file "
                           "({} bytes); is it truncated?",
                           n, header.file_size, header.offset, file.size()));
  }
  return file.subspan(header.offset, header.file_size);
}

/// The 32-bit entry point in a Xen note, if these notes have one.
std::optional<std::uint64_t> pvh_entry(ByteView notes) {
  std::uint64_t offset = 0;
  while (auto note = at<Elf64_Nhdr>(notes, offset, "note")) {
    const auto pad = [](std::uint64_t size) { return (size + 3) & ~std::uint64_t{3}; };
    const std::uint64_t name_at = offset + sizeof(Elf64_Nhdr),
                        value_at = name_at + pad(note->n_namesz);
    offset = value_at + pad(note->n_descsz);
    const bool xen = note->n_namesz == 4 && name_at + 4 <= notes.size() &&
                     std::memcmp(notes.data() + name_at, "Xen", 4) == 0;
    if (!xen || note->n_type != pvh_note_type) continue;
    if (auto entry = at<std::uint32_t>(notes, value_at, "PVH entry")) return *entry;
  }
  return {};
}

template <class Ehdr, class Phdr>
Result<std::vector<Header>> headers(ByteView file, const Ehdr& elf) {
  if (elf.e_type != ET_EXEC && elf.e_type != ET_DYN) {
    return bad(fmt::format("ELF type {} is not an executable", elf.e_type));
  }
  if (elf.e_phentsize != sizeof(Phdr) || elf.e_phnum == 0 || elf.e_phnum > most_headers) {
    return bad(
        fmt::format("{} program headers of {} bytes make no sense", elf.e_phnum, elf.e_phentsize));
  }
  std::vector<Header> out;
  for (std::uint64_t i = 0; i < elf.e_phnum; ++i) {
    const auto h = TRY(at<Phdr>(file, elf.e_phoff + i * sizeof(Phdr), "program header"));
    out.push_back({h.p_type, h.p_offset, h.p_filesz, h.p_memsz, h.p_paddr, h.p_align});
  }
  return out;
}

/// The ELF header: entry point and kind of entry into `image`, the program headers returned.
Result<std::vector<Header>> read_headers(ByteView file, std::uint16_t machine, Image& image) {
  const auto ident = TRY(at<std::array<unsigned char, EI_NIDENT>>(file, 0, "ELF header"));
  if (ident[EI_DATA] != ELFDATA2LSB) return bad("it is big-endian");
  if (ident[EI_CLASS] == ELFCLASS64) {
    const auto elf = TRY(at<Elf64_Ehdr>(file, 0, "ELF header"));
    image.entry = elf.e_entry;
    image.entry_kind = machine == EM_X86_64 ? Image::Entry::long64 : Image::Entry::arm64;
    if (elf.e_machine != machine) return wrong_machine(elf.e_machine, machine);
    return headers<Elf64_Ehdr, Elf64_Phdr>(file, elf);
  }
  if (ident[EI_CLASS] != ELFCLASS32) {
    return bad(fmt::format("ELF class {} is unknown", ident[EI_CLASS]));
  }
  const auto elf = TRY(at<Elf32_Ehdr>(file, 0, "ELF header"));
  image.entry = elf.e_entry;
  const bool runs = elf.e_machine == EM_386 && machine == EM_X86_64;
  if (!runs) return wrong_machine(elf.e_machine, machine, 32);
  return headers<Elf32_Ehdr, Elf32_Phdr>(file, elf);
}

} // namespace

bool is_elf(ByteView file) {
  // a file that is cut within these bytes is told so by the parser
  const std::size_t there = std::min<std::size_t>(file.size(), SELFMAG);
  return there > 0 && std::memcmp(file.data(), ELFMAG, there) == 0;
}

Result<Image> parse_elf(ByteView file, std::uint16_t machine, Notes notes) {
  Image image;
  const auto found = TRY(read_headers(file, machine, image));
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (found[i].type == PT_LOAD) {
      const ByteView bytes = TRY(contents(file, found[i], i));
      TRY(add_segment(image, fmt::format("segment {}", i),
                      {found[i].physical, found[i].memory_size, bytes}));
    }
    if (found[i].type != PT_NOTE || notes == Notes::ignored || machine != EM_X86_64) continue;
    const ByteView bytes = TRY(contents(file, found[i], i));
    if (auto entry = pvh_entry(bytes)) {
      image.entry = *entry;
      image.entry_kind = Image::Entry::pvh;
    }
  }
  TRY(settle(image));
  return image;
}

} // namespace kdbg::kvm::image
