#pragma once
/// kvmdbg as a program: finding it, asking it for a list, and the guests that one debugger started.
#include "adapter/result.hpp"

#include <nlohmann/json.hpp>

#include <string>
#include <sys/types.h>
#include <vector>

namespace kdbg::lldb_plugin {

using Json = nlohmann::ordered_json;

/// A kvmdbg of ours on a unix socket in a folder of its own. It ends when this does, or lldb.
class Machine {
public:
  /// Starts `program run --listen unix:… arguments`; returns when it listens. The console goes to
  /// the server alone, unless the arguments say otherwise. Errors: kernel, closed with what it
  /// said.
  static Result<Machine> start(const std::string& program,
                               const std::vector<std::string>& arguments);
  Machine(Machine&& other) noexcept;
  Machine& operator=(Machine&& other) noexcept;
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;
  ~Machine();

  bool runs();
  std::string socket() const { return folder_ + "/gdb"; }

private:
  explicit Machine(std::string folder) : folder_(std::move(folder)) {}
  Status await_socket();
  std::string said() const;

  std::string folder_;
  pid_t pid_ = 0;     ///< of the shell that watches it
  int lifeline_ = -1; ///< it ends when this is closed
};

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
