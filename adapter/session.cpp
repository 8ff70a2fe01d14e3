#include "adapter/session.hpp"

#include <fmt/format.h>

namespace kdbg {

Status Session::follow(std::string_view pairing) {
  id_ = TRY(arbiter_.follow(id_, *front_end_, pairing));
  follower_ = true;
  return Done{};
}

void Session::leave() {
  if (follower_) {
    arbiter_.unfollow(id_, *front_end_);
  } else {
    arbiter_.leave(id_);
  }
}

void Session::note(std::string_view command, std::string_view outcome) {
  if (!trace_.on()) return;
  trace_.note(fmt::format("client {} {}: {}", static_cast<std::uint32_t>(id_), command, outcome));
}

} // namespace kdbg
