#include "plugins/lldb/x86.hpp"

#include <algorithm>
#include <cctype>
#include <fmt/format.h>

namespace kdbg::lldb_plugin {
namespace {

constexpr std::uint64_t page_fault = 14;

struct Exception {
  std::string_view title;
  bool selector_error = false; ///< its error code names a selector
};
constexpr Exception exceptions[] = {
    {"#DE divide error"},
    {"#DB debug exception"},
    {"NMI"},
    {"#BP breakpoint"},
    {"#OF overflow"},
    {"#BR bound range exceeded"},
    {"#UD invalid opcode"},
    {"#NM no FPU"},
    {"#DF double fault"},
    {"coprocessor segment overrun"},
    {"#TS invalid TSS", true},
    {"#NP segment not present", true},
    {"#SS stack fault", true},
    {"#GP general protection", true},
    {"#PF page fault"},
    {""},
    {"#MF x87 error"},
    {"#AC alignment check"},
    {"#MC machine check"},
    {"#XM SIMD error"},
    {"#VE virtualization exception"},
    {"#CP control protection"},
};

struct Flag {
  std::uint64_t bit;
  std::string_view set, clear;
};

std::string flags_of(std::uint64_t value, const Flag* begin, const Flag* end) {
  std::string text;
  for (const Flag* flag = begin; flag != end; ++flag) {
    const std::string_view word = value & flag->bit ? flag->set : flag->clear;
    if (!word.empty()) text += fmt::format("{}{}", text.empty() ? "" : ", ", word);
  }
  return text;
}
constexpr std::uint64_t bit(unsigned number) {
  return std::uint64_t{1} << number;
}
constexpr std::uint64_t bits(std::uint64_t value, unsigned first, unsigned count) {
  return value >> first & (bit(count) - 1);
}

constexpr Flag fault_flags[] = {{bit(1), "write", "read"},
                                {bit(4), "of an instruction", ""},
                                {bit(2), "in user mode", "in supervisor mode"},
                                {bit(0), "the page forbids it", "no page is there"},
                                {bit(3), "a reserved bit is set", ""},
                                {bit(5), "by protection key", ""},
                                {bit(6), "by shadow stack", ""},
                                {bit(15), "by SGX", ""}};
constexpr Flag entry_flags[] = {{bit(1), "writable", "read-only"},
                                {bit(2), "user", "supervisor"},
                                {bit(3), "write-through", ""},
                                {bit(4), "uncached", ""},
                                {bit(5), "accessed", ""},
                                {bit(6), "dirty", ""},
                                {bit(8), "global", ""},
                                {bit(63), "no-execute", ""}};

/// The number after `label` in `text`.
std::optional<std::uint64_t> number_after(std::string_view text, std::string_view label) {
  const std::size_t at = text.find(label);
  if (at == std::string_view::npos) return std::nullopt;
  return std::strtoull(std::string(text.substr(at + label.size())).c_str(), nullptr, 0);
}

} // namespace

std::string_view exception_title(std::uint64_t vector) {
  return vector < std::size(exceptions) ? exceptions[vector].title : std::string_view();
}

std::string explain_error_code(std::uint64_t vector, std::uint64_t code) {
  if (vector == page_fault) return flags_of(code, std::begin(fault_flags), std::end(fault_flags));
  if (vector >= std::size(exceptions) || !exceptions[vector].selector_error || code == 0) return "";
  const std::string_view table = code & bit(1) ? "IDT" : code & bit(2) ? "LDT" : "GDT";
  return fmt::format("{} entry {}{}", table, bits(code, 3, 13),
                     code & bit(0) ? ", by an event from outside the program" : "");
}

std::string explain_exception(std::string_view description) {
  const auto vector = number_after(description, "caught exception ");
  if (!vector || exception_title(*vector).empty()) return "";
  std::string text(exception_title(*vector));
  if (const auto code = number_after(description, "error code ")) {
    const std::string words = explain_error_code(*vector, *code);
    if (!words.empty()) text += ": " + words;
  }
  return text;
}

std::string describe_entry(std::uint64_t entry) {
  if (!(entry & bit(0))) {
    return entry == 0 ? "not present" : fmt::format("not present, {:#x}", entry);
  }
  const std::uint64_t frame = entry & 0x000ffffffffff000;
  return fmt::format("{:#x}, {}", frame,
                     flags_of(entry, std::begin(entry_flags), std::end(entry_flags)));
}

std::string describe_segment(std::uint64_t d) {
  if (d == 0) return "null";
  const std::uint64_t base = bits(d, 16, 24) | bits(d, 56, 8) << 24;
  std::uint64_t limit = bits(d, 0, 16) | bits(d, 48, 4) << 16;
  if (d & bit(55)) limit = limit << 12 | 0xfff;
  std::string_view kind = "system";
  if (d & bit(44)) kind = d & bit(43) ? d & bit(53) ? "64-bit code" : "code" : "data";
  return fmt::format("{}, base {:#x}, limit {:#x}, DPL {}{}", kind, base, limit, bits(d, 45, 2),
                     d & bit(47) ? "" : ", not present");
}

std::string describe_gate(std::uint64_t low, std::uint64_t high) {
  if (low == 0 && high == 0) return "null";
  const std::uint64_t handler = bits(low, 0, 16) | bits(low, 48, 16) << 16 | high << 32;
  const std::uint64_t type = bits(low, 40, 4);
  return fmt::format("{} gate to {:#x}:{:#x}, IST {}, DPL {}{}",
                     type == 14   ? "interrupt"
                     : type == 15 ? "trap"
                                  : "unknown",
                     bits(low, 16, 16), handler, bits(low, 32, 3), bits(low, 45, 2),
                     low & bit(47) ? "" : ", not present");
}

} // namespace kdbg::lldb_plugin
