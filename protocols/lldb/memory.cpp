#include "protocols/lldb/memory.hpp"

#include "adapter/commands.hpp"
#include "protocols/gdb/codec.hpp"
#include "protocols/gdb/conversation.hpp"
#include "protocols/gdb/text.hpp"

#include <fmt/format.h>

namespace kdbg::lldb {
namespace {

using gdb::Answer, gdb::Conversation, gdb::Row, gdb::Scanner, gdb::say, gdb::say_ok;

/// lldb looks here before each write, and to choose where results live. The answers tile the whole
/// address space, holes included.
Answer region(Conversation& c, std::string_view arguments) {
  if (arguments.empty()) return say_ok(); // is it supported?
  Scanner scanner(arguments);
  const std::uint64_t at = TRY(scanner.hex("address"));
  TRY(scanner.finish());
  const Region found = TRY(c.session.execute(FindRegion{c.general, c.address(at)}));
  const std::uint64_t bytes = found.last - found.start; // one less, to fit
  const bool whole = bytes == ~std::uint64_t{0};
  auto text = fmt::format("start:{:x};size:{:x};", found.start, whole ? bytes : bytes + 1);
  if (!found.mapped) return say(std::move(text));
  // Nothing is read from there. And when what may be read reaches the end of the address space,
  // lldb's search for a place for results runs past it and complains of itself.
  if (found.name == "MMIO") return say(text + fmt::format("name:{};", gdb::hex_of(found.name)));
  const auto name = found.user ? found.name + " user" : found.name;
  return say(text + fmt::format("permissions:r{}{};name:{};", found.writable ? "w" : "",
                                found.executable ? "x" : "", gdb::hex_of(name)));
}

/// ranges:ADDR,LENGTH,ADDR,LENGTH,...; -> LENGTH,LENGTH;BYTES, each as much as could be read.
Answer read_many(Conversation& c, std::string_view arguments) {
  if (arguments.ends_with(';')) arguments.remove_suffix(1);
  Scanner scanner(arguments);
  constexpr unsigned most_ranges = 1024; // each may cost a page walk, and everybody else waits
  unsigned ranges = 0;
  std::string lengths;
  Bytes all;
  do {
    if (ranges++ == most_ranges) {
      return Error{Code::bad_request, fmt::format("more than {} ranges", most_ranges)};
    }
    const std::uint64_t at = TRY(scanner.hex("address"));
    TRY(scanner.expect(','));
    const std::uint64_t length = TRY(scanner.hex("length"));
    const std::size_t room = gdb::max_payload / 2 - std::min(all.size(), gdb::max_payload / 2);
    auto bytes = c.session.execute(ReadMemory{
        c.general, c.address(at), static_cast<std::size_t>(std::min<std::uint64_t>(length, room))});
    // nothing was read for another reason than a hole: lldb must not take it for one
    if (!bytes && bytes.error().code != Code::memory_fault) return bytes.error();
    lengths += fmt::format("{}{:x}", lengths.empty() ? "" : ",", bytes ? bytes->size() : 0);
    if (bytes) all.insert(all.end(), bytes->begin(), bytes->end());
  } while (scanner.take(','));
  TRY(scanner.finish());
  return say(lengths + ";" + std::string(gdb::text_of(all)));
}

/// SIZE,PERMISSIONS. Nobody but the user knows memory that the guest can spare, so without
/// `--scratch` there is none, and lldb interprets expressions itself.
Answer allocate(Conversation& c, std::string_view arguments) {
  if (!c.scratch) return gdb::say_unknown();
  Scanner scanner(arguments);
  const std::uint64_t size = TRY(scanner.hex("size"));
  return say(fmt::format("{:x}", TRY(c.scratch.take(size))));
}

Answer deallocate(Conversation& c, std::string_view arguments) {
  if (!c.scratch) return gdb::say_unknown();
  Scanner scanner(arguments);
  const std::uint64_t at = TRY(scanner.hex("address"));
  TRY(scanner.finish());
  TRY(c.scratch.give_back(at));
  return say_ok();
}

/// How many the CPU has. More may work, by other means.
Answer watchpoints(Conversation& c, std::string_view) {
  return say(fmt::format("num:{};", c.target().capabilities().hardware_slots));
}

constexpr Row rows[] = {
    {"qMemoryRegionInfo:", Row::Match::prefix, &region},
    {"qMemoryRegionInfo", Row::Match::exact, &region},
    {"MultiMemRead:ranges:", Row::Match::prefix, &read_many, Row::Reply::binary},
    {"_M", Row::Match::prefix, &allocate},
    {"_m", Row::Match::prefix, &deallocate},
    {"qWatchpointSupportInfo:", Row::Match::exact, &watchpoints},
};

} // namespace

gdb::Table memory_packets() {
  return rows;
}

} // namespace kdbg::lldb
