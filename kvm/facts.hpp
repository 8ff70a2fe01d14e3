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

/// One thing that a kernel lacks, or has in word only, and what is done instead.
struct Finding {
  std::string_view feature;  ///< "hardware watchpoints"
  std::string_view arch;     ///< riscv64
  std::string_view kernel;   ///< its word: "KVM_CAP_SET_GUEST_DEBUG is 1"
  std::string_view observed; ///< what a small guest showed
  int error = 0;             ///< errno; 0: the kernel took the request
  std::string_view instead;  ///< what it degrades to
};
/// For HostFacts::notes.
std::string describe(const Finding& finding);

} // namespace kdbg::kvm
