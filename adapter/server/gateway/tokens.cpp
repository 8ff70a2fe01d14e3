#include "adapter/server/gateway/tokens.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <sys/random.h>

namespace kdbg::server {
namespace {

Result<std::string> draw_one() {
  std::array<unsigned char, 32> bits{};
  // up to 256 bytes come whole: getrandom(2)
  if (::getrandom(bits.data(), bits.size(), 0) != static_cast<ssize_t>(bits.size())) {
    return Error{Code::kernel, fmt::format("no random numbers: {}", strerrordesc_np(errno)), errno};
  }
  std::string text;
  for (const unsigned char byte : bits) {
    text += fmt::format("{:02x}", byte);
  }
  return text;
}

/// Looks at every byte of the secret, whatever the guess is. Its length is no secret.
bool same(std::string_view secret, std::string_view guess) {
  if (secret.empty() || guess.size() != secret.size()) return false;
  volatile unsigned char differs = 0;
  for (std::size_t i = 0; i < secret.size(); ++i) {
    differs = static_cast<unsigned char>(differs | (secret[i] ^ guess[i]));
  }
  return differs == 0;
}

} // namespace

Result<Tokens> Tokens::draw() {
  return Tokens{TRY(draw_one()), TRY(draw_one())};
}

std::optional<Role> Tokens::role_of(std::string_view token) const {
  const bool controls = same(control, token), observes = same(observe, token);
  if (controls) return Role::control;
  if (observes) return Role::observe;
  return {};
}

} // namespace kdbg::server
