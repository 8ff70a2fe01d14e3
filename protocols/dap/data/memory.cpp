#include "protocols/dap/data/memory.hpp"

#include "protocols/dap/message/address.hpp"

#include <charconv>

namespace kdbg::dap {
namespace {

constexpr std::uint64_t page = 4096;
constexpr std::uint64_t max_phys_read = 32768; // of jKvm.physRead

std::string hex(std::uint64_t value) {
  return fmt::format("{:#x}", value);
}

std::uint64_t to_page_end(std::uint64_t address) {
  return page - address % page;
}

void append_hex(Bytes& bytes, std::string_view digits) {
  for (std::size_t i = 0; i + 1 < digits.size(); i += 2) {
    unsigned value = 0;
    std::from_chars(digits.data() + i, digits.data() + i + 2, value, 16);
    bytes.push_back(static_cast<std::byte>(value));
  }
}

Result<Bytes> read_physical(Session& session, std::uint64_t at, std::uint64_t count) {
  Bytes all;
  while (all.size() < count) {
    const std::uint64_t wanted = std::min(max_phys_read, count - all.size());
    auto answer =
        session.control->ask("physRead", {{"address", hex(at + all.size())}, {"length", wanted}});
    if (!answer && answer.error().code == Code::closed) return answer.error();
    if (!answer) break;
    const std::size_t before = all.size();
    append_hex(all, answer->value("data", ""));
    if (all.size() - before < wanted) break;
  }
  return all;
}

Result<std::uint64_t> physical_of(Session& session, const Address& at) {
  const Json walk =
      TRY(session.control->ask("walk", {{"address", hex(at.value)}, {"root", hex(at.space.root)}}));
  const auto physical = parse_number(walk.value("physical", ""));
  if (!physical) return Error{Code::closed, "the server's walk has no physical address"};
  return *physical;
}

Result<Bytes> read_by_root(Session& session, const Address& at, std::uint64_t count) {
  Bytes all;
  while (all.size() < count) {
    const Address here{at.value + all.size(), at.space};
    const auto physical = physical_of(session, here);
    if (!physical && physical.error().code == Code::closed) return physical.error();
    if (!physical) break;
    const std::uint64_t wanted = std::min(to_page_end(here.value), count - all.size());
    const Bytes some = TRY(read_physical(session, *physical, wanted));
    all.insert(all.end(), some.begin(), some.end());
    if (some.size() < wanted) break;
  }
  return all;
}

/// The process's, which are live; the target's may come from a file.
std::size_t read_some(Session& session, std::uint64_t at, std::byte* to, std::uint64_t count) {
  lldb::SBError error;
  const std::size_t got = session.process.ReadMemory(at, to, count, error);
  return error.Fail() && got > count ? 0 : got;
}

Result<Bytes> read_virtual(Session& session, std::uint64_t at, std::uint64_t count) {
  TRY(session.stopped());
  Bytes all(count);
  std::uint64_t have = read_some(session, at, all.data(), count);
  // LLDB may give up on all of a piece of which it could have read the beginning
  while (have < count) {
    const std::uint64_t wanted = std::min(to_page_end(at + have), count - have);
    const std::size_t got = read_some(session, at + have, all.data() + have, wanted);
    have += got;
    if (got < wanted) break;
  }
  all.resize(have);
  return all;
}

Status write_physical(Session& session, std::uint64_t at, ByteView bytes) {
  std::string digits;
  for (const std::byte one : bytes) {
    digits += fmt::format("{:02x}", std::to_integer<unsigned>(one));
  }
  TRY(session.control->ask("physWrite", {{"address", hex(at)}, {"data", digits}}));
  return Done{};
}

Status write_by_root(Session& session, const Address& at, ByteView bytes) {
  for (std::size_t done = 0; done < bytes.size();) {
    const Address here{at.value + done, at.space};
    const std::uint64_t size = std::min(to_page_end(here.value), bytes.size() - done);
    const std::uint64_t physical = TRY(physical_of(session, here));
    TRY(write_physical(session, physical, bytes.subspan(done, size)));
    done += size;
  }
  return Done{};
}

Status write_virtual(Session& session, std::uint64_t at, ByteView bytes) {
  TRY(session.stopped());
  lldb::SBError error;
  const std::size_t done = session.process.WriteMemory(at, bytes.data(), bytes.size(), error);
  if (error.Success() && done == bytes.size()) return Done{};
  const char* const why = error.GetCString();
  return Error{Code::memory_fault,
               why ? why : fmt::format("{} of {} bytes could be written", done, bytes.size())};
}

/// The bytes, from the reference on, that a change shows in; nothing when it does not.
std::optional<ReadSpan>
touched(const Address& reference, const ReadSpan& span, const MemoryChange& change) {
  const auto& [at, count] = change;
  if (reference.space != at.space || count == anywhere) return span;
  // modulo 2^64, as offsets are
  const auto first = static_cast<std::int64_t>(at.value - reference.value);
  const auto end = static_cast<std::int64_t>(at.value + count - reference.value);
  const ReadSpan both{std::max(first, span.first), std::min(end, span.end)};
  if (both.first >= both.end) return std::nullopt;
  return both;
}

void tell(Session& session, const std::string& reference, const ReadSpan& span) {
  session.client.tell(
      "memory",
      {{"memoryReference", reference}, {"offset", span.first}, {"count", span.end - span.first}});
}

} // namespace

Result<Bytes> read_memory(Session& session, const Address& at, std::uint64_t count) {
  const std::uint64_t left = std::uint64_t{0} - at.value; // 0: all of 2^64
  if (left != 0) count = std::min(count, left);
  if (count == 0) return Bytes{};
  switch (at.space.kind) {
  case Space::Kind::physical:
    return read_physical(session, at.value, count);
  case Space::Kind::root:
    return read_by_root(session, at, count);
  case Space::Kind::current:
    break;
  }
  return read_virtual(session, at.value, count);
}

Result<std::uint64_t> hole_size(Session& session, const Address& at, std::uint64_t count) {
  std::uint64_t size = 0;
  while (size < count) {
    size += to_page_end(at.value + size);
    // beyond the last address there is nothing
    if (size >= count || at.value + size < at.value) return count;
    const Bytes found = TRY(read_memory(session, {at.value + size, at.space}, 1));
    if (!found.empty()) break;
  }
  return std::min(size, count);
}

Status write_memory(Session& session, const Address& at, ByteView bytes) {
  if (bytes.empty()) return Done{};
  Status done = Done{};
  switch (at.space.kind) {
  case Space::Kind::physical:
    done = write_physical(session, at.value, bytes);
    break;
  case Space::Kind::root:
    done = write_by_root(session, at, bytes);
    break;
  case Space::Kind::current:
    return write_virtual(session, at.value, bytes);
  }
  session.forget_memory();
  return done;
}

void tell_memory_changed(Session& session, const MemoryChange& change) {
  if (!session.client.traits.memory_event) return;
  for (const auto& [reference, span] : session.memory_read) {
    const auto from = parse_reference(reference, "");
    const auto shown = from ? touched(*from, span, change) : std::nullopt;
    if (shown) tell(session, reference, *shown);
  }
}

void tell_memory_changed(Session& session) {
  if (!session.client.traits.memory_event) return;
  for (const auto& [reference, span] : session.memory_read) {
    tell(session, reference, span);
  }
}

void tell_written(Session& session) {
  if (const auto change = std::exchange(session.written, {})) tell_memory_changed(session, *change);
}

void on_memory_changed(Session& session, const Json& event) {
  session.forget_memory();
  const auto number = [&](const char* name) {
    return parse_number(event.value(name, "")).value_or(0);
  };
  Space space;
  const std::string kind = event.value("space", "");
  if (kind == "physical") space.kind = Space::Kind::physical;
  if (kind == "root") space = {Space::Kind::root, number("root")};
  tell_memory_changed(session,
                      {{number("address"), space}, event.value("length", std::uint64_t{0})});
}

} // namespace kdbg::dap
