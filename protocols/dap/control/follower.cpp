#include "protocols/dap/control/follower.hpp"

#include "protocols/dap/message/fields.hpp"
#include "protocols/gdb/codec.hpp"
#include "protocols/gdb/text.hpp"

#include <poll.h>
#include <sys/socket.h>

namespace kdbg::dap {
namespace {

constexpr int patience = 10'000; // milliseconds

Status send_all(int socket, std::string_view bytes) {
  const ssize_t sent = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (sent == static_cast<ssize_t>(bytes.size())) return Done{};
  return Error{Code::closed, "the server has closed LLDB's connection"};
}

/// One byte at a time: what follows the packet is for LLDB.
Result<std::string> receive_packet(int socket) {
  gdb::Decoder decoder;
  for (;;) {
    pollfd ready{socket, POLLIN, 0};
    std::byte one{};
    if (::poll(&ready, 1, patience) <= 0 || ::recv(socket, &one, 1, 0) != 1) {
      return Error{Code::closed, "the server does not answer jKvm.follower"};
    }
    ByteView rest(&one, 1);
    const auto token = decoder.next(rest);
    if (token && token->kind == gdb::Token::Kind::packet) return token->payload;
  }
}

} // namespace

Status make_follower(int socket, std::string_view pairing) {
  const Json arguments = {{"pairing", pairing}};
  TRY(send_all(socket, gdb::frame("jKvm.follower:" + arguments.dump())));
  const std::string answer = TRY(receive_packet(socket));
  TRY(send_all(socket, "+"));
  if (answer.starts_with('{')) return Done{};
  return Error{Code::closed, fmt::format("the server refuses LLDB's connection: {}",
                                         answer.starts_with("E.") ? answer.substr(2) : answer)};
}

} // namespace kdbg::dap
