#pragma once
/// The probe's answers as rows, for a table and for JSON alike.
#include "kvm/arch.hpp"

namespace kdbg::kvm {

struct Fact {
  std::string_view section; ///< advertised, works or quirks
  std::string_view name;
  std::variant<bool, double> value;
  std::string_view meaning;
};

std::vector<Fact> rows(const HostFacts& facts);

} // namespace kdbg::kvm
