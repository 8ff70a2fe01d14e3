#include "adapter/server/server.hpp"

#include <fmt/format.h>
#include <unistd.h>

namespace kdbg::server {

Server::Server(boost::asio::io_context& io,
               Target& target,
               Arbiter& arbiter,
               Trace& trace,
               std::vector<Protocol> protocols,
               Log log,
               Settings settings,
               Dumps* dumps)
    : io_(io),
      machine_{target, arbiter, trace, dumps},
      protocols_(std::move(protocols)),
      log_(std::move(log)),
      settings_(settings) {}

Server::~Server() {
  close_all();
}

Status Server::listen_aside(std::string_view address) {
  const ListenAddress where = TRY(parse_listen_address(address, settings_.allow_remote));
  aside_ = TRY(open_listener(where));
  return Done{};
}

Result<std::shared_ptr<Listener>> Server::open_listener(const ListenAddress& where) {
  return Listener::open(
      io_, where,
      [this](Socket socket, std::string peer) { accept(std::move(socket), std::move(peer)); },
      log_);
}

Result<std::string> Server::listen(std::string_view address) {
  const ListenAddress where = TRY(parse_listen_address(address, settings_.allow_remote));
  if (std::holds_alternative<Stdio>(where)) {
    if (stdio_taken_) return Error{Code::bad_request, "stdio serves one debugger, not two"};
    serve(TRY(make_stream(io_, STDIN_FILENO, STDOUT_FILENO, "standard input and output")), "stdio");
    stdio_taken_ = true;
    return describe(where);
  }
  listeners_.push_back(TRY(open_listener(where)));
  return listeners_.back()->where();
}

void Server::accept(Socket socket, std::string peer) {
  if (connections_.size() >= settings_.max_clients) {
    log_(fmt::format("refused {}: {} connections are open", peer, connections_.size()));
    return; // closes the socket
  }
  open(make_stream(std::move(socket)), std::move(peer), settings_);
}

void Server::serve(std::unique_ptr<Stream> stream, std::string peer) {
  Settings patient = settings_;
  patient.first_byte = patient.first_byte.zero();
  open(std::move(stream), std::move(peer), patient);
}

void Server::open(std::unique_ptr<Stream> stream, std::string peer, const Settings& settings) {
  Connection::Observer observer{log_, [this] { count(); },
                                [this](const auto& closed) { on_closed(closed); }};
  auto connection = std::make_shared<Connection>(std::move(stream), std::move(peer), machine_,
                                                 protocols_, settings, std::move(observer));
  connections_.insert(connection);
  connection->start();
}

void Server::on_closed(const std::shared_ptr<Connection>& closed) {
  connections_.erase(closed);
  count();
  if (connections_.empty() && listeners_.empty() && deserted_) deserted_();
}

void Server::count() {
  const std::size_t now = machine_.arbiter.client_count();
  if (std::exchange(counted_, now) != now && changed_) changed_(now);
}

void Server::close_all() {
  deserted_ = {};
  listeners_.clear();
  aside_.reset();
  const auto open = std::exchange(connections_, {});
  for (const auto& connection : open) {
    connection->close("the server ends");
  }
}

} // namespace kdbg::server
