#include "adapter/server/gateway/sniff.hpp"

#include <algorithm>

namespace kdbg::server {
namespace {

using Kind = Sniffed::Kind;

struct Opening {
  std::string_view text;
  Kind kind;
};
/// No opening is the beginning of another.
constexpr Opening openings[] = {
    {"Content-Length:", Kind::dap}, {"GET ", Kind::http},     {"HEAD ", Kind::http},
    {"POST ", Kind::http},          {"PUT ", Kind::http},     {"DELETE ", Kind::http},
    {"OPTIONS ", Kind::http},       {"CONNECT ", Kind::http}, {"TRACE ", Kind::http},
    {"PATCH ", Kind::http},
};

} // namespace

Sniffed sniff(std::span<const Protocol> protocols, std::string_view said) {
  if (said.empty()) return {};
  for (const Protocol& protocol : protocols) {
    if (protocol.speaks(static_cast<std::byte>(said.front()))) return {Kind::protocol, &protocol};
  }
  bool possible = false;
  for (const Opening& opening : openings) {
    const std::size_t length = std::min(said.size(), opening.text.size());
    if (said.substr(0, length) != opening.text.substr(0, length)) continue;
    if (length == opening.text.size()) return {opening.kind};
    possible = true;
  }
  return {possible ? Kind::undecided : Kind::nothing};
}

} // namespace kdbg::server
