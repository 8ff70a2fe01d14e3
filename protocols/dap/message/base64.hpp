#pragma once
/// Base64 (RFC 4648, section 4), in which the protocol carries memory.
#include "adapter/types.hpp"

namespace kdbg::dap {

std::string to_base64(ByteView bytes);
/// Nothing for what is no base64: padding is demanded, line ends are not taken.
std::optional<Bytes> from_base64(std::string_view text);

} // namespace kdbg::dap
