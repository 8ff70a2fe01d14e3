#pragma once
/// Files with symbols as the protocol has them.
#include "protocols/dap/session/session.hpp"

#include <lldb/API/SBFileSpec.h>

namespace kdbg::dap {

std::string path_of(const lldb::SBFileSpec& file);

struct Module {
  std::uint32_t id = 0;
  std::string name;
  std::optional<std::string> path, status, range, version;
  static constexpr auto fields() {
    using M = Module;
    return std::tuple{required("id", &M::id),           required("name", &M::name),
                      optional("path", &M::path),       optional("symbolStatus", &M::status),
                      optional("version", &M::version), optional("addressRange", &M::range)};
  }
};

/// `index` is LLDB's, and the module's id.
Module describe_module(Session& session, std::uint32_t index);
/// An event; `reason` is new or changed.
void tell_module(Session& session, const lldb::SBModule& module, std::string_view reason);

} // namespace kdbg::dap
