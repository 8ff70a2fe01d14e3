#include "adapter/server/connection.hpp"

#include <fmt/format.h>

namespace kdbg::server {

Connection::Connection(std::unique_ptr<Stream> stream,
                       std::string name,
                       Role role,
                       Machine machine,
                       std::span<const Protocol> protocols,
                       const Settings& settings,
                       Observer observer)
    : Channel(std::move(stream), settings),
      name_(std::move(name)),
      role_(role),
      protocols_(protocols),
      observer_(std::move(observer)),
      session_(machine.target, machine.arbiter, machine.trace, machine.dumps) {}

void Connection::start(std::string_view said) {
  if (settings().first_byte > settings().first_byte.zero()) {
    close_after(settings().first_byte, "it said nothing");
  }
  read_after(std::as_bytes(std::span(said)));
}

Status Connection::received(ByteView bytes) {
  if (!front_end_ && !open_front_end(bytes.front())) {
    const auto first = std::to_integer<unsigned>(bytes.front());
    return Error{Code::bad_request, fmt::format("no protocol begins with byte {:#04x}", first)};
  }
  return front_end_->receive(bytes);
}

bool Connection::open_front_end(std::byte first) {
  for (const Protocol& protocol : protocols_) {
    if (!protocol.speaks(first)) continue;
    front_end_ = protocol.open(session_, [this](std::string bytes) { send(std::move(bytes)); });
    if (!protocol.joins) return true; // it asks and goes: it does not get to stay
    stay();
    session_.join(*front_end_, std::string(protocol.name), name_);
    joined_ = true;
    observer_.log(fmt::format("client {}: {} from {}", static_cast<std::uint32_t>(session_.id()),
                              protocol.name, name_));
    observer_.joined();
    return true;
  }
  return false;
}

void Connection::left(std::string_view why) {
  if (!joined_) {
    if (!front_end_) observer_.log(fmt::format("closed a connection from {}: {}", name_, why));
    return;
  }
  joined_ = false;
  session_.leave();
  observer_.log(fmt::format("client {} left: {}", static_cast<std::uint32_t>(session_.id()), why));
}

void Connection::closed() {
  observer_.closed(std::static_pointer_cast<Connection>(shared_from_this()));
}

} // namespace kdbg::server
