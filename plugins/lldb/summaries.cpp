#include "plugins/lldb/summaries.hpp"

#include "plugins/lldb/x86.hpp"

#include <lldb/API/SBData.h>
#include <lldb/API/SBStream.h>
#include <lldb/API/SBTarget.h>
#include <lldb/API/SBTypeCategory.h>
#include <lldb/API/SBTypeNameSpecifier.h>
#include <lldb/API/SBTypeSummary.h>
#include <lldb/API/SBValue.h>

#include <array>
#include <optional>
#include <string_view>
#include <tuple>

namespace kdbg::lldb_plugin {
namespace {

/// The value's bytes, as words; nothing where it is not x86-64's, or of another size.
template <std::size_t count>
std::optional<std::array<std::uint64_t, count>> words_of(lldb::SBValue& value) {
  std::array<std::uint64_t, count> words{};
  const char* const triple = value.GetTarget().GetTriple();
  if (!triple || std::string_view(triple).substr(0, 6) != "x86_64") return std::nullopt;
  lldb::SBData data = value.GetData();
  lldb::SBError error;
  if (data.GetByteSize() != sizeof words) return std::nullopt;
  if (data.ReadRawData(error, 0, words.data(), sizeof words) != sizeof words) return std::nullopt;
  return words;
}

template <std::size_t count, auto describe>
bool summarize(lldb::SBValue value,
               lldb::SBTypeSummaryOptions, // NOLINT(performance-unnecessary-value-param): lldb's
               lldb::SBStream& out) {
  const auto words = words_of<count>(value);
  if (words) out.Printf("%s", std::apply(describe, *words).c_str());
  return words.has_value();
}
constexpr auto entry = &summarize<1, &describe_entry>;
constexpr auto segment = &summarize<1, &describe_segment>;
constexpr auto gate = &summarize<2, &describe_gate>;

struct Type {
  const char* name;
  lldb::SBTypeSummary::FormatCallback summarize;
};
/// arch/x86/include/asm/{pgtable_types,pgtable_64_types,desc_defs}.h
constexpr Type types[] = {
    {"pte_t", entry}, {"pmd_t", entry},         {"pud_t", entry},      {"p4d_t", entry},
    {"pgd_t", entry}, {"desc_struct", segment}, {"gate_struct", gate},
};

} // namespace

void add_summaries(lldb::SBDebugger& debugger) {
  lldb::SBTypeCategory category = debugger.CreateCategory("kvmdbg");
  for (const Type& type : types) {
    category.AddTypeSummary(lldb::SBTypeNameSpecifier(type.name),
                            lldb::SBTypeSummary::CreateWithCallback(type.summarize));
  }
  category.SetEnabled(true);
}

} // namespace kdbg::lldb_plugin
