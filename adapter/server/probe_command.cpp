#include "adapter/server/probe_command.hpp"

#include "kvm/arch/family.hpp"
#include "kvm/facts.hpp"

#include <nlohmann/json.hpp>

#include <fmt/format.h>

namespace kdbg::server {
namespace {

std::string render_json(const kvm::HostFacts& facts) {
  nlohmann::ordered_json json;
  for (const kvm::Fact& fact : kvm::rows(facts)) {
    std::visit([&](auto value) { json[std::string(fact.section)][std::string(fact.name)] = value; },
               fact.value);
  }
  json["notes"] = facts.notes;
  return json.dump(2) + "\n";
}

std::string render_table(const kvm::HostFacts& facts) {
  std::string text;
  for (const kvm::Fact& fact : kvm::rows(facts)) {
    const auto* flag = std::get_if<bool>(&fact.value);
    const std::string shown = flag != nullptr ? (*flag ? "yes" : "no")
                                              : fmt::format("{:.0f}", std::get<double>(fact.value));
    text += fmt::format("{:<11} {:<22} {:>10}  {}\n", fact.section, fact.name, shown, fact.meaning);
  }
  for (const std::string& note : facts.notes) {
    text += fmt::format("note: {}\n", note);
  }
  return text;
}

} // namespace

Result<std::string> probe_host(const ProbeOptions& options) {
  const kvm::Family& family = *TRY(kvm::host_family());
  const auto kernel = kvm::make_linux_kernel();
  const kvm::HostFacts facts = TRY(family.probe(*kernel));
  return options.json ? render_json(facts) : render_table(facts);
}

} // namespace kdbg::server
