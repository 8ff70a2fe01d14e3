#pragma once
/// Programs that this lldb starts. Knows no lldb.
#include "adapter/result.hpp"

#include <string>
#include <sys/types.h>
#include <vector>

namespace kdbg::lldb_plugin {

/// A private folder of a new name, under $XDG_RUNTIME_DIR or /tmp.
Result<std::string> private_folder();
std::string text_of_file(const std::string& path); ///< empty where there is none

/// What a program writes to its standard output; errors: kernel, closed with its exit status.
Result<std::string> output_of(const std::vector<std::string>& command);

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

} // namespace kdbg::lldb_plugin
