#include "adapter/server/server.hpp"

#include <fmt/format.h>

namespace kdbg::server {

Server::Server(boost::asio::io_context& io,
               Target& target,
               Arbiter& arbiter,
               Trace& trace,
               std::vector<Protocol> protocols,
               Log log,
               Settings settings)
    : io_(io),
      machine_{target, arbiter, trace},
      protocols_(std::move(protocols)),
      log_(std::move(log)),
      settings_(settings) {}

Server::~Server() {
  close_all();
}

Result<std::string> Server::listen(std::string_view address) {
  const ListenAddress where = TRY(parse_listen_address(address, settings_.allow_remote));
  auto listener = TRY(Listener::open(
      io_, where,
      [this](Socket socket, std::string peer) { accept(std::move(socket), std::move(peer)); },
      log_));
  listeners_.push_back(std::move(listener));
  return listeners_.back()->where();
}

void Server::accept(Socket socket, std::string peer) {
  if (connections_.size() >= settings_.max_clients) {
    log_(fmt::format("refused {}: {} connections are open", peer, connections_.size()));
    return; // closes the socket
  }
  Connection::Observer observer{log_, [this] { count(); },
                                [this](Connection& closed) {
                                  connections_.erase(closed.shared_from_this());
                                  count();
                                }};
  auto connection = std::make_shared<Connection>(std::move(socket), std::move(peer), machine_,
                                                 protocols_, settings_, std::move(observer));
  connections_.insert(connection);
  connection->start();
}

void Server::count() {
  const std::size_t now = machine_.arbiter.client_count();
  if (std::exchange(counted_, now) != now && changed_) changed_(now);
}

void Server::close_all() {
  listeners_.clear();
  const auto open = std::exchange(connections_, {});
  for (const auto& connection : open) {
    connection->close("the server ends");
  }
}

} // namespace kdbg::server
