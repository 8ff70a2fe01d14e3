#pragma once
/// One listening socket, TCP or unix: accepts, looks whose the peer is, names it, hands the socket
/// on.
#include "adapter/server/address.hpp"
#include "adapter/server/settings.hpp"
#include "adapter/server/stream.hpp"

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

namespace kdbg::server {

/// Held shared, so that a handler on its way can see that the listener has gone.
class Listener : public std::enable_shared_from_this<Listener> {
public:
  using Accepted = std::function<void(Socket socket, std::string peer)>;

  /// `address`: anything but stdio, where nobody can come. `any_user`: processes of all users of
  /// this host may come, not only ours and root's.
  static Result<std::shared_ptr<Listener>> open(boost::asio::io_context& io,
                                                const ListenAddress& address,
                                                Accepted accepted,
                                                Log log,
                                                bool any_user);
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  /// With the port that the system chose, where 0 was asked for.
  const std::string& where() const { return where_; }

private:
  using Protocol = boost::asio::generic::stream_protocol;
  using Acceptor = boost::asio::basic_socket_acceptor<Protocol>;
  /// Which file at a path is ours: another server may have put its own there since.
  struct FileId {
    unsigned long device = 0, inode = 0;
    auto operator<=>(const FileId&) const = default;
  };

  Listener(boost::asio::io_context& io, Accepted accepted, Log log, bool any_user);
  Status bind(const ListenAddress& address);
  Status bind_tcp(const boost::asio::ip::tcp::endpoint& endpoint);
  Status bind_unix(const UnixPath& address);
  static std::optional<FileId> file_at(const std::string& path);
  void accept();
  void on_accepted(boost::system::error_code error, Socket socket);

  Acceptor acceptor_;
  boost::asio::steady_timer retry_;
  Accepted accepted_;
  Log log_;
  bool any_user_;
  std::string where_, path_; // path: of a unix socket that we made
  std::optional<FileId> file_;
};

} // namespace kdbg::server
