#pragma once
/// One question to many machines at once, with one deadline for all of them.
#include "adapter/machines.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>

namespace kdbg::server {

/// Held shared by what is under way.
class Survey : public std::enable_shared_from_this<Survey> {
public:
  static constexpr std::chrono::milliseconds patience{500};

  Survey(boost::asio::io_context& io, std::vector<MachineInfo> machines, Machines::Listed listed);
  /// `sockets`: of each machine, in their order. A line is asked, a line is the answer.
  void begin(const std::vector<std::string>& sockets, std::string_view question);
  void give_up();

private:
  struct Asked {
    explicit Asked(boost::asio::io_context& io) : socket(io) {}
    boost::asio::local::stream_protocol::socket socket;
    std::string answer;
  };
  void ask(std::size_t which, const std::string& path, std::string_view question);
  void on_answer(std::size_t which);
  void answered();
  void finish();

  boost::asio::io_context& io_;
  boost::asio::steady_timer timer_;
  std::vector<MachineInfo> machines_;
  std::vector<std::unique_ptr<Asked>> asked_;
  std::size_t waiting_ = 0;
  Machines::Listed listed_; ///< empty once told, or when nobody wants to know
};

} // namespace kdbg::server
