#pragma once
/// Who changed what: a line for each change that a client makes, or is refused. Off costs one
/// branch.
#include <cstdio>
#include <memory>
#include <string_view>

namespace kdbg {

class Audit {
public:
  Audit() = default; ///< off
  explicit Audit(std::FILE* owned) : file_(owned, &std::fclose) {}
  bool on() const { return file_ != nullptr; }
  /// `2026-11-21T20:29:03Z who: what: outcome`. What others have chosen to be called breaks no
  /// line.
  void line(std::string_view who, std::string_view what, std::string_view outcome);

private:
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file_{nullptr, &std::fclose};
};

} // namespace kdbg
