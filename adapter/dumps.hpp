#pragma once
/// Core files of the guest, written on the server's side while other clients are served.
#include "adapter/session.hpp"

#include <functional>
#include <memory>

namespace kdbg {

class Dumps {
public:
  virtual ~Dumps() = default;
  /// One core file on its way. Destroying it gives up, and removes what was written.
  class Job {
  public:
    virtual ~Job() = default;
  };
  /// Whom to tell, on the strand. Not told once the job is destroyed.
  struct Listener {
    std::function<void(std::string_view line)> progress;  ///< once a second, from the first on
    std::function<void(const Result<std::string>&)> done; ///< a line that says what was written
  };
  /// `name`: a new file in the server's folder for dumps. Fails when the guest runs, and later when
  /// it is resumed meanwhile. `session` must outlive the job.
  virtual Result<std::unique_ptr<Job>>
  start(Session& session, std::string_view name, Listener listener) = 0;
};

} // namespace kdbg
