#pragma once
/// kvmdbg as a program: finding it, asking it for a list, the guests that one debugger started.
#include "plugins/lldb/child.hpp"

#include <nlohmann/json.hpp>

#include <string>
#include <vector>

namespace kdbg::lldb_plugin {

using Json = nlohmann::ordered_json;

/// What one debugger knows of kvmdbg.
class Machines {
public:
  /// As set, else $KVMDBG, else beside this plugin, else on the PATH; unsupported where it is
  /// nowhere.
  Result<std::string> program() const;
  Status set_program(const std::string& path);

  Result<const Machine*> start(const std::vector<std::string>& arguments);

  /// The machines of this user, as `kvmdbg list --json` has them.
  Result<Json> list() const;

  /// lldb's URL for what a person types: a PID or NAME of the list, unix:PATH, PATH, HOST:PORT, a
  /// URL.
  Result<std::string> url_of(const std::string& place) const;

private:
  std::string program_;
  std::vector<Machine> started_;
};

} // namespace kdbg::lldb_plugin
