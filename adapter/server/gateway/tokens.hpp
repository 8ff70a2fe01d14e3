#pragma once
/// The secrets of one run: who knows one may come in by HTTP. Knows no file and no socket.
#include "adapter/result.hpp"
#include "adapter/types.hpp"

namespace kdbg::server {

struct Tokens {
  std::string control, observe; ///< 64 lower-case hexadecimal digits; empty: nobody can know it

  /// 256 bits each, of the kernel's random numbers.
  static Result<Tokens> draw();
  /// What the bearer may do. How long it takes says nothing of how much of a guess was right.
  std::optional<Role> role_of(std::string_view token) const;
  const std::string& of(Role role) const { return role == Role::control ? control : observe; }
};

/// A client that comes by a door for `at_door`, with a token for `token`.
constexpr Role lesser(Role at_door, Role token) {
  return at_door == Role::observe ? at_door : token;
}

} // namespace kdbg::server
