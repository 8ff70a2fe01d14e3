#pragma once
/// `kvm …` in the debug console: the server's own requests (docs/jkvm.md) as words, their answers
/// as text. Knows no LLDB.
#include "protocols/dap/control/control.hpp"

#include <functional>

namespace kdbg::dap {

/// Words that begin with `start`: what may follow "kvm ".
std::vector<std::string> kvm_words(std::string_view start);

struct KvmContext {
  Control& control;
  std::optional<std::uint64_t> vcpu; ///< that the client looks at, from 0
  /// What an argument that is no number is worth: $rip, &variable.
  std::function<Result<std::uint64_t>(const std::string&)> evaluate;
};

/// `line` is what follows "kvm". bad_request names the word, or the argument.
Result<std::string> run_kvm_words(const KvmContext& context, std::string_view line);

} // namespace kdbg::dap
