#pragma once
/// Where the guest's serial port leads: this terminal, a file, a new pseudo-terminal or nowhere.
#include "adapter/result.hpp"
#include "adapter/types.hpp"

#include <boost/asio/posix/stream_descriptor.hpp>

#include <functional>
#include <memory>
#include <termios.h>

namespace kdbg::server {

class Console {
public:
  /// `where`: stdio, pty, none or a file name. `input` is called on the strand.
  static Result<std::unique_ptr<Console>> open(boost::asio::io_context& io,
                                               const std::string& where);
  ~Console();
  Console(const Console&) = delete;
  Console& operator=(const Console&) = delete;

  void on_input(std::function<void(ByteView)> input);
  /// Any thread. Blocks as the terminal does; what cannot be written is dropped.
  void put(std::byte byte);
  /// What to tell the user, for instance the pty's name; empty when there is nothing to say.
  const std::string& notice() const { return notice_; }

private:
  explicit Console(boost::asio::io_context& io) : reader_(io) {}
  Status open_pty();
  void take_terminal();
  void read();

  boost::asio::posix::stream_descriptor reader_;
  int out_ = -1;
  bool owns_out_ = false;
  bool took_terminal_ = false;
  termios saved_{};
  std::function<void(ByteView)> input_;
  std::array<std::byte, 256> buffer_{};
  std::string notice_;
};

} // namespace kdbg::server
