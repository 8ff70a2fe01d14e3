#pragma once
/// What a client speaks, by the first bytes that it sends. Knows no socket.
#include "adapter/front_end.hpp"

namespace kdbg::server {

struct Sniffed {
  enum class Kind : std::uint8_t {
    undecided, ///< so far it may be more than one
    protocol,  ///< one of ours, told by its first byte
    dap,       ///< Debug Adapter Protocol with its Content-Length header
    http,
    nothing, ///< that we speak
  };
  Kind kind = Kind::undecided;
  const Protocol* protocol = nullptr; ///< with Kind::protocol
};

/// `said`: all that it has sent so far. Decided after 15 bytes at the latest, and more bytes do not
/// change what was decided.
Sniffed sniff(std::span<const Protocol> protocols, std::string_view said);

} // namespace kdbg::server
