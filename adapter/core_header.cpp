#include "adapter/core_header.hpp"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>

namespace kdbg {
namespace {

constexpr std::uint64_t page = 4096;
constexpr std::uint32_t load_type = 1, note_type = 4; // PT_LOAD, PT_NOTE
constexpr std::size_t widest_number = 8;
constexpr std::size_t elf_size = 64, program_size = 56, note_size = 12;
constexpr std::string_view vmcoreinfo = "VMCOREINFO";

/// Little-endian numbers, one after the other.
class Writer {
public:
  Writer& number(std::uint64_t value, std::size_t bytes) {
    for (std::size_t i = 0; i < bytes; ++i) {
      bytes_.push_back(static_cast<std::byte>(i < 8 ? value >> (8 * i) : 0));
    }
    return *this;
  }
  Writer& text(std::string_view value, std::size_t room) {
    for (std::size_t i = 0; i < room; ++i) {
      bytes_.push_back(static_cast<std::byte>(i < value.size() ? value[i] : 0));
    }
    return *this;
  }
  Writer& raw(ByteView value) {
    bytes_.insert(bytes_.end(), value.begin(), value.end());
    return *this;
  }
  Writer& align(std::size_t to) {
    bytes_.resize((bytes_.size() + to - 1) / to * to);
    return *this;
  }
  const Bytes& bytes() const { return bytes_; }

private:
  Bytes bytes_;
};

std::uint64_t number(ByteView bytes, std::size_t at, std::size_t count) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < count; ++i) {
    value |= std::to_integer<std::uint64_t>(bytes[at + i]) << (8 * i);
  }
  return value;
}

void add_note(Writer& out, std::string_view name, std::uint32_t type, ByteView content) {
  out.number(name.size() + 1, 4).number(content.size(), 4).number(type, 4);
  out.text(name, name.size() + 1).align(4).raw(content).align(4);
}

Result<Bytes> read_register(Target& target, VcpuId vcpu, std::string_view name) {
  const auto table = target.arch().registers;
  const auto found = std::find_if(table.begin(), table.end(),
                                  [&](const RegisterInfo& info) { return info.name == name; });
  if (found == table.end()) {
    return Error{Code::unsupported, fmt::format("there is no register {} for a core file", name)};
  }
  return target.read_register(vcpu, static_cast<RegisterId>(found - table.begin()));
}

Result<Bytes> render_note(Target& target, VcpuId vcpu, const CoreNote& note) {
  Writer out;
  for (const CoreField& field : note.fields) {
    std::uint64_t value = field.value;
    if (field.vcpu) value += index(vcpu);
    if (!field.reg.empty()) {
      Bytes content = TRY(read_register(target, vcpu, field.reg));
      if (field.bytes > widest_number) {
        content.resize(field.bytes);
        out.raw(content);
        continue;
      }
      const std::size_t known = std::min<std::size_t>(content.size(), widest_number);
      value += (number(content, 0, known) & field.mask) << field.shift;
    }
    out.number(value, field.bytes);
  }
  return out.bytes();
}

Result<Bytes> read_physical(Target& target, std::uint64_t at, std::size_t length) {
  return target.read_memory(VcpuId{0}, {at, {Space::Kind::physical}}, length);
}

/// Linux keeps the text for dump readers as a finished ELF note at the start of a page. It is found
/// by its name and by what its text begins with; a page that only looks so is passed over.
Result<std::optional<Bytes>> vmcoreinfo_at(Target& target, std::uint64_t at) {
  constexpr std::size_t name_room = 12;
  constexpr std::uint64_t most = 65536;
  constexpr std::string_view opening = "OSRELEASE=";
  const Bytes start = TRY(read_physical(target, at, note_size + name_room + opening.size()));
  if (start.size() < note_size + name_room + opening.size()) return std::optional<Bytes>();
  const std::uint64_t size = number(start, 4, 4);
  const auto* text = reinterpret_cast<const char*>(start.data());
  if (number(start, 0, 4) != vmcoreinfo.size() + 1 || number(start, 8, 4) != 0 || size > most ||
      size < opening.size() ||
      std::string_view(text + note_size, vmcoreinfo.size()) != vmcoreinfo ||
      std::string_view(text + note_size + name_room, opening.size()) != opening) {
    return std::optional<Bytes>();
  }
  Bytes content = TRY(read_physical(target, at + note_size + name_room, size));
  if (content.size() < size) return std::optional<Bytes>();
  return std::optional(std::move(content));
}

Result<Bytes> render_notes(Target& target, std::optional<std::uint64_t> vmcoreinfo_place) {
  Writer out;
  for (std::size_t i = 0; i < target.vcpu_count(); ++i) {
    for (const CoreNote& note : target.arch().core_notes) {
      add_note(out, note.name, note.type, TRY(render_note(target, static_cast<VcpuId>(i), note)));
    }
  }
  if (vmcoreinfo_place) {
    const auto text = TRY(vmcoreinfo_at(target, *vmcoreinfo_place));
    if (!text) {
      return Error{Code::bad_request,
                   fmt::format("there is no VMCOREINFO at {:#x}", *vmcoreinfo_place)};
    }
    add_note(out, vmcoreinfo, 0, *text);
  }
  return out.bytes();
}

void add_program_header(Writer& out,
                        std::uint32_t type,
                        std::uint64_t offset,
                        std::uint64_t physical,
                        std::uint64_t size) {
  constexpr std::uint64_t everything = 7; // readable, writable, executable
  out.number(type, 4).number(type == load_type ? everything : 0, 4).number(offset, 8);
  out.number(0, 8).number(physical, 8).number(size, 8).number(size, 8).number(0, 8);
}

void add_elf_header(Writer& out, std::uint16_t machine, std::size_t headers) {
  constexpr std::uint64_t class_64 = 2, little_endian = 1, version = 1, core = 4;
  constexpr std::uint64_t linux_abi = 3; // lldb opens no core of an unknown OS
  out.text("\x7f"
           "ELF",
           4)
      .number(class_64, 1)
      .number(little_endian, 1)
      .number(version, 1)
      .number(linux_abi, 1);
  out.number(0, 8).number(core, 2).number(machine, 2).number(version, 4).number(0, 8);
  out.number(elf_size, 8).number(0, 8).number(0, 4).number(elf_size, 2).number(program_size, 2);
  out.number(headers, 2).number(0, 6);
}

Status check_stopped(const Target& target) {
  if (!target.running()) return Done{};
  return Error{Code::running, "the guest is running; interrupt it first"};
}

Error not_a_core(std::string_view why) {
  return {Code::bad_request, fmt::format("this is no core header: {}", why)};
}

} // namespace

Result<CoreSearch> search_vmcoreinfo(Target& target, std::uint64_t from) {
  constexpr unsigned pages = 4096;
  TRY(check_stopped(target));
  unsigned looked_at = 0;
  for (const MemoryRange& range : target.memory_ranges()) {
    const std::uint64_t first = std::max(range.start, (from + page - 1) / page * page);
    for (std::uint64_t at = first; at >= range.start && at - range.start < range.size; at += page) {
      if (looked_at++ == pages) return CoreSearch{{}, at};
      if (TRY(vmcoreinfo_at(target, at))) return CoreSearch{at, {}};
    }
  }
  return CoreSearch{};
}

Result<Bytes> render_core_header(Target& target, std::optional<std::uint64_t> vmcoreinfo_place) {
  TRY(check_stopped(target));
  if (target.arch().core_notes.empty()) {
    return Error{Code::unsupported, fmt::format("no core files for {}", target.arch().name)};
  }
  const Bytes notes = TRY(render_notes(target, vmcoreinfo_place));
  const auto ranges = target.memory_ranges();
  const std::size_t notes_at = elf_size + program_size * (ranges.size() + 1);
  std::uint64_t offset = (notes_at + notes.size() + page - 1) / page * page;
  Writer out;
  add_elf_header(out, target.arch().elf_machine, ranges.size() + 1);
  add_program_header(out, note_type, notes_at, 0, notes.size());
  for (const MemoryRange& range : ranges) {
    add_program_header(out, load_type, offset, range.start, range.size);
    offset += range.size;
  }
  return out.raw(notes).align(page).bytes();
}

Result<std::vector<CoreSegment>> core_segments(ByteView header) {
  constexpr std::size_t count_at = 56;
  constexpr std::uint64_t most = std::uint64_t{1} << 52; // bytes that x86 can have
  if (header.size() < elf_size || number(header, 0, 4) != 0x464c457f) {
    return not_a_core("it does not begin as ELF does");
  }
  const std::uint64_t count = number(header, count_at, 2);
  if (header.size() < elf_size + count * program_size) return not_a_core("it is cut");
  std::vector<CoreSegment> out;
  std::uint64_t expected = header.size();
  for (std::uint64_t i = 0; i < count; ++i) {
    const ByteView one = header.subspan(elf_size + i * program_size, program_size);
    if (number(one, 0, 4) != load_type) continue;
    const CoreSegment segment{number(one, 8, 8), {number(one, 24, 8), number(one, 32, 8)}};
    if (segment.offset != expected || segment.memory.size == 0 || segment.memory.size > most ||
        segment.memory.start > most || segment.memory.size % page != 0) {
      return not_a_core(fmt::format("segment {} is {:#x} bytes for {:#x} at offset {:#x}", i,
                                    segment.memory.size, segment.memory.start, segment.offset));
    }
    expected += segment.memory.size;
    if (expected > most) return not_a_core("it is longer than any memory");
    out.push_back(segment);
  }
  if (out.empty()) return not_a_core("it has no memory");
  return out;
}

} // namespace kdbg
