#include "adapter/audit.hpp"

#include <chrono>
#include <fmt/chrono.h>

namespace kdbg {

void Audit::line(std::string_view who, std::string_view what, std::string_view outcome) {
  if (!on()) return;
  const auto now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  std::string text =
      fmt::format("{:%Y-%m-%dT%H:%M:%SZ} {}: {}: {}", fmt::gmtime(now), who, what, outcome);
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < ' ' || c == 0x7f) c = '?';
  }
  text += '\n';
  std::fwrite(text.data(), 1, text.size(), file_.get());
  std::fflush(file_.get()); // what a client did last is what matters after a crash
}

} // namespace kdbg
