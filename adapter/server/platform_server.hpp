#pragma once
/// The listeners and connections of `kvmdbg platform`. Knows no protocol: what serves a connection
/// is made by whoever started it.
#include "adapter/front_end.hpp"
#include "adapter/server/channel.hpp"
#include "adapter/server/listener.hpp"

#include <set>

namespace kdbg::server {

/// Runs on the thread that runs `io`, which must outlive it.
class PlatformServer {
public:
  /// `where`: the address that the client came to, as on the command line.
  using Open = std::function<std::unique_ptr<FrontEnd>(Sink sink, const std::string& where)>;
  PlatformServer(boost::asio::io_context& io, Open open, Log log, Settings settings);
  ~PlatformServer();
  PlatformServer(const PlatformServer&) = delete;
  PlatformServer& operator=(const PlatformServer&) = delete;

  /// Listens from now on; returns where. Not stdio.
  Result<std::string> listen(std::string_view address);
  void close_all();

private:
  class Visit;
  void accept(Socket socket, const std::string& peer, const std::string& where);

  boost::asio::io_context& io_;
  Open open_;
  Log log_;
  Settings settings_;
  std::vector<std::shared_ptr<Listener>> listeners_;
  std::set<std::shared_ptr<Channel>> visits_;
};

} // namespace kdbg::server
