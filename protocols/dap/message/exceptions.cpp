#include "protocols/dap/message/exceptions.hpp"

#include "protocols/dap/message/address.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace kdbg::dap {
namespace {

constexpr CpuException table[] = {
    {0, "#DE", "divide error", false},
    {1, "#DB", "debug", false},
    {2, "NMI", "non-maskable interrupt", false},
    {3, "#BP", "breakpoint", false},
    {4, "#OF", "overflow", false},
    {5, "#BR", "bound range exceeded", false},
    {6, "#UD", "invalid opcode", false},
    {7, "#NM", "device not available", false},
    {8, "#DF", "double fault", true},
    {10, "#TS", "invalid TSS", true},
    {11, "#NP", "segment not present", true},
    {12, "#SS", "stack-segment fault", true},
    {13, "#GP", "general protection", true},
    {14, "#PF", "page fault", true},
    {16, "#MF", "x87 floating point", false},
    {17, "#AC", "alignment check", true},
    {18, "#MC", "machine check", false},
};

/// The number behind `key`, decimal or 0x-hex.
std::optional<std::uint64_t> number_after(std::string_view text, std::string_view key) {
  const std::size_t at = text.find(key);
  if (at == text.npos) return {};
  text.remove_prefix(at + key.size());
  return parse_number(text.substr(0, text.find_first_of(", ")));
}

std::string describe_page_fault(std::uint64_t code) {
  const char* const access = (code & 0x10) != 0 ? "fetch from"
                             : (code & 2) != 0  ? "write to"
                                                : "read from";
  std::string text = fmt::format("{} a page that {}, by {}", access,
                                 (code & 1) != 0 ? "does not allow it" : "is not present",
                                 (code & 4) != 0 ? "user code" : "the kernel");
  if ((code & 8) != 0) text += ", a reserved bit set in the page tables";
  if ((code & 0x20) != 0) text += ", by its protection key";
  return text;
}

std::string describe_selector(std::uint64_t code) {
  if (code == 0) return "no selector";
  const char* const where = (code & 2) != 0 ? "IDT" : (code & 4) != 0 ? "LDT" : "GDT";
  return fmt::format("{} entry {}{}", where, code >> 3 & 0x1fff,
                     (code & 1) != 0 ? ", while an external event was delivered" : "");
}

} // namespace

const std::span<const CpuException> cpu_exceptions = table;

const CpuException* find_exception(std::string_view name) {
  const auto found = std::find_if(std::begin(table), std::end(table),
                                  [&](const CpuException& one) { return one.name == name; });
  return found == std::end(table) ? nullptr : found;
}

const CpuException* find_exception(std::uint64_t vector) {
  const auto found = std::find_if(std::begin(table), std::end(table),
                                  [&](const CpuException& one) { return one.vector == vector; });
  return found == std::end(table) ? nullptr : found;
}

std::optional<Raised> parse_raised(std::string_view why) {
  if (why.find("triple fault") != why.npos) return Raised{"triple fault", {}};
  if (why.starts_with("crashed:")) return Raised{"internal error", {}};
  const auto vector = number_after(why, "caught exception ");
  if (!vector) return {};
  const CpuException* const known = find_exception(*vector);
  if (!known) return Raised{"exception", number_after(why, "error code ")};
  return Raised{known->name, known->has_error ? number_after(why, "error code ") : std::nullopt};
}

std::string describe_error(std::string_view name, std::uint64_t code) {
  return name == "#PF" ? describe_page_fault(code) : describe_selector(code);
}

} // namespace kdbg::dap
