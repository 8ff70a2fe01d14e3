#include "adapter/session.hpp"

#include <fmt/format.h>

namespace kdbg {

void Session::note(std::string_view command, std::string_view outcome) {
  if (!trace_.on()) return;
  trace_.note(fmt::format("client {} {}: {}", static_cast<std::uint32_t>(id_), command, outcome));
}

} // namespace kdbg
