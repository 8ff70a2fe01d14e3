#pragma once
/// All listeners and connections of one machine, on one io_context. Knows no protocol.
#include "adapter/server/connection.hpp"
#include "adapter/server/gateway/gateway.hpp"
#include "adapter/server/listener.hpp"

#include <set>

namespace kdbg::server {

/// Runs on the thread that runs `io`; everything given must outlive it.
class Server {
public:
  Server(boost::asio::io_context& io,
         Target& target,
         Arbiter& arbiter,
         Trace& trace,
         std::vector<Protocol> protocols,
         Log log,
         Settings settings = {},
         Dumps* dumps = nullptr,
         GatewaySettings gateway = {});
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// Listens from now on; returns where, in the words of the command line. On stdio that is one
  /// client, which is there already.
  Result<std::string> listen(std::string_view address);
  /// The same, at an address that nobody asked for: it alone keeps no server alive whose client on
  /// stdio has gone. Once at most; not stdio.
  Status listen_aside(std::string_view address);
  /// Serves a client that is there already, speaks one of our protocols, and may be slow to say its
  /// first word.
  void serve(std::unique_ptr<Stream> stream, std::string peer, Role role = Role::control);
  /// Stops listening and sends every client away: points out, guest left as it is.
  void close_all();
  /// Told the number of clients whenever it changes.
  void on_clients_changed(std::function<void(std::size_t)> changed) {
    changed_ = std::move(changed);
  }

  /// Told when the last client has gone and none can come, for nothing is listened on.
  void on_deserted(std::function<void()> deserted) { deserted_ = std::move(deserted); }

private:
  Result<std::shared_ptr<Listener>> open_listener(const ListenPlace& where);
  void accept(Visitor visitor);
  Arrival::Outcomes outcomes(const std::shared_ptr<Arrival>& arrival);
  void open(std::unique_ptr<Stream> stream,
            std::string peer,
            Role role,
            const Settings& settings,
            std::string_view said = {});
  void on_closed(const std::shared_ptr<Connection>& closed);
  void count();

  boost::asio::io_context& io_;
  Machine machine_;
  std::vector<Protocol> protocols_;
  Log log_;
  Settings settings_;
  std::function<void(std::size_t)> changed_;
  std::function<void()> deserted_;
  std::vector<std::shared_ptr<Listener>> listeners_;
  std::shared_ptr<Listener> aside_;
  std::set<std::shared_ptr<Arrival>> arrivals_;
  std::set<std::shared_ptr<Connection>> connections_;
  std::shared_ptr<Gateway> gateway_;
  std::size_t counted_ = 0;
  bool stdio_taken_ = false;
};

} // namespace kdbg::server
