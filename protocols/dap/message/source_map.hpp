#pragma once
/// Where sources are that were elsewhere when they were compiled: `sourceMap` of launch and attach,
/// as {"/build": "/home/me/src"} or as [["/build", "/home/me/src"]]. LLDB maps the frames' paths by
/// itself (target.source-map), and no others.
#include "protocols/dap/message/fields.hpp"

#include <string>
#include <utility>
#include <vector>

namespace kdbg::dap {

class SourceMap {
public:
  SourceMap() = default;
  /// What is no text is left out, as it is of LLDB's setting.
  explicit SourceMap(const Json& wish);

  /// Of a path as it was compiled: the first row that fits and has such a file counts, as with
  /// frames. The same path where none does.
  std::string here(const std::string& path) const;
  /// The other way.
  std::string compiled(const std::string& path) const;

  /// From, to.
  const std::vector<std::pair<std::string, std::string>>& rows() const { return rows_; }

private:
  std::vector<std::pair<std::string, std::string>> rows_;
};

} // namespace kdbg::dap
