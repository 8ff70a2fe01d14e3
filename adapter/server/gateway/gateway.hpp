#pragma once
/// All that comes by HTTP or asks for a debug adapter: decides, answers, upgrades, and starts the
/// process that serves it. Knows no machine.
#include "adapter/server/gateway/arrival.hpp"
#include "adapter/server/gateway/websocket.hpp"
#include "adapter/server/gateway/worker.hpp"

#include <boost/asio/io_context.hpp>

#include <set>

namespace kdbg::server {

struct GatewaySettings {
  Tokens tokens;
  std::vector<std::string> origins; ///< further ones that may come
  std::string dap;                  ///< the adapter's program; "": looked for
  std::size_t max_workers = 8;
  std::chrono::milliseconds worker_patience{60'000}; ///< for one that leaves its client unread
  std::vector<std::string> worker_arguments;
};

/// Runs on the thread that runs `io`, which must outlive it. Held shared by what is under way.
class Gateway : public std::enable_shared_from_this<Gateway> {
public:
  /// Serves one more client of the machine.
  using Serve = std::function<void(std::unique_ptr<Stream> stream, std::string peer, Role role)>;
  Gateway(boost::asio::io_context& io,
          GatewaySettings settings,
          std::chrono::milliseconds patience,
          Serve serve,
          Log log);
  Gateway(const Gateway&) = delete;
  Gateway& operator=(const Gateway&) = delete;

  void take_http(Visitor visitor, const HttpRequest& request, bool behind);
  void take_malformed(Visitor visitor, const Error& why);
  /// `said`: what the client of a stream has said already.
  void take_dap(Visitor visitor, std::string said);
  /// Connections that no other part counts.
  std::size_t count() const { return workers_.size() + leaving_; }
  std::size_t workers() const { return workers_.size(); }
  /// Nobody is told anything more, and nobody served.
  void close_all();

private:
  void answer(Visitor visitor, const HttpAnswer& answer);
  void farewell(Socket socket, std::string last);
  void open_rsp(Visitor visitor, Upgrade upgrade);
  void start_worker(Visitor visitor, bool websocket, std::string preamble);
  Result<WorkerOrder> order() const;
  void serve_worker(int socket, std::string peer, Role role);
  void on_worker_end(const std::shared_ptr<Worker>& worker, const WorkerEnd& end);
  void tell(Socket socket,
            bool websocket,
            const std::vector<std::string>& messages,
            CloseCode code,
            std::string_view why);
  void
  refuse(Visitor visitor, bool websocket, std::string preamble, CloseCode code, std::string why);

  boost::asio::io_context& io_;
  GatewaySettings settings_;
  std::chrono::milliseconds patience_; ///< for whoever is told something last
  Serve serve_;                        ///< empty once all is closed
  Log log_;
  std::set<std::shared_ptr<Worker>> workers_;
  std::size_t leaving_ = 0;
};

} // namespace kdbg::server
