#include "adapter/server/platform_server.hpp"

#include <fmt/format.h>

namespace kdbg::server {

/// One connection.
class PlatformServer::Visit final : public Channel {
public:
  Visit(PlatformServer& server, Socket socket)
      : Channel(make_stream(std::move(socket)), server.settings_), server_(server) {}

  void start(const std::string& where) {
    front_end_ = server_.open_([this](std::string bytes) { send(std::move(bytes)); }, where);
    close_after(settings().first_byte, "it said nothing");
    read();
  }

private:
  Status received(ByteView bytes) override {
    if (!std::exchange(spoke_, true)) stay();
    return front_end_->receive(bytes);
  }
  void left(std::string_view) override {}
  void closed() override {
    front_end_.reset(); // with its connection to a machine
    server_.visits_.erase(shared_from_this());
  }

  PlatformServer& server_;
  std::unique_ptr<FrontEnd> front_end_;
  bool spoke_ = false;
};

PlatformServer::PlatformServer(boost::asio::io_context& io, Open open, Log log, Settings settings)
    : io_(io), open_(std::move(open)), log_(std::move(log)), settings_(settings) {}

PlatformServer::~PlatformServer() {
  close_all();
}

Result<std::string> PlatformServer::listen(std::string_view address) {
  const ListenAddress at = TRY(parse_listen_address(address, settings_.allow_remote));
  if (std::holds_alternative<Stdio>(at)) {
    return Error{Code::bad_request, "a platform has many connections: it cannot listen on stdio"};
  }
  const auto where = std::make_shared<std::string>();
  listeners_.push_back(TRY(Listener::open(
      io_, at,
      [this, where](Socket socket, const std::string& peer) {
        accept(std::move(socket), peer, *where);
      },
      log_, settings_.any_user)));
  *where = listeners_.back()->where();
  return *where;
}

void PlatformServer::accept(Socket socket, const std::string& peer, const std::string& where) {
  if (visits_.size() >= settings_.max_clients) {
    log_(fmt::format("refused {}: {} connections are open", peer, visits_.size()));
    return; // closes the socket
  }
  auto visit = std::make_shared<Visit>(*this, std::move(socket));
  visits_.insert(visit);
  visit->start(where);
}

void PlatformServer::close_all() {
  listeners_.clear();
  for (const auto& visit : std::exchange(visits_, {})) {
    visit->close("the platform ends");
  }
}

} // namespace kdbg::server
