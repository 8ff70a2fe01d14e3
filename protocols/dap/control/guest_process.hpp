#pragma once
/// A `kvmdbg run` that `launch` starts. It ends with this process, unless it is let go.
#include "adapter/result.hpp"

#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

namespace kdbg::dap {

class GuestProcess {
public:
  /// Starts `kvmdbg run --listen unix:… arguments`; returns when it listens. `program` is looked
  /// for beside this program, then in PATH. Errors: kernel, closed with what it said.
  static Result<GuestProcess> start(const std::vector<std::string>& arguments);
  GuestProcess(GuestProcess&& other) noexcept;
  GuestProcess& operator=(GuestProcess&& other) noexcept;
  GuestProcess(const GuestProcess&) = delete;
  GuestProcess& operator=(const GuestProcess&) = delete;
  ~GuestProcess();

  /// As `server` in the arguments of `attach`.
  std::string address() const { return "unix:" + folder_ + "/socket"; }
  /// Its exit status, once it has ended.
  std::optional<int> ended();
  /// It goes on without us.
  void let_go();

private:
  explicit GuestProcess(std::string folder) : folder_(std::move(folder)) {}
  Status spawn(const std::vector<std::string>& command);
  Status await_socket();
  std::string said() const;
  void end();

  std::string folder_;
  pid_t watcher_ = -1; ///< ends the guest when our end of the pipe closes
  int lifeline_ = -1;
  std::optional<int> exit_code_;
};

} // namespace kdbg::dap
