#include "adapter/server/farewell.hpp"

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>

#include <array>

namespace kdbg::server {
namespace {

namespace asio = boost::asio;
using ErrorCode = boost::system::error_code;

/// A socket that is closed with bytes unread is reset, and the peer may lose what it was told.
class Farewell : public std::enable_shared_from_this<Farewell> {
public:
  Farewell(Socket socket, std::string last, std::function<void()> done)
      : socket_(std::move(socket)),
        timer_(socket_.get_executor()),
        last_(std::move(last)),
        done_(std::move(done)) {}

  void start(std::chrono::milliseconds patience) {
    timer_.expires_after(patience);
    timer_.async_wait([self = shared_from_this()](ErrorCode error) {
      if (!error) self->end();
    });
    asio::async_write(socket_, asio::buffer(last_),
                      [self = shared_from_this()](ErrorCode error, std::size_t) {
                        if (error) return self->end();
                        ErrorCode ignored;
                        self->socket_.shutdown(asio::socket_base::shutdown_send, ignored);
                        self->drain();
                      });
  }

private:
  void drain() {
    socket_.async_read_some(asio::buffer(unwanted_),
                            [self = shared_from_this()](ErrorCode error, std::size_t count) {
                              self->drained_ += count;
                              if (error || self->drained_ > most) return self->end();
                              self->drain();
                            });
  }

  void end() {
    if (!socket_.is_open()) return;
    ErrorCode ignored;
    socket_.close(ignored);
    timer_.cancel();
    done_();
  }

  static constexpr std::size_t most = std::size_t{16} << 20; // bytes
  Socket socket_;
  asio::steady_timer timer_;
  std::string last_;
  std::function<void()> done_;
  std::array<char, 4096> unwanted_{};
  std::size_t drained_ = 0;
};

} // namespace

void say_farewell(Socket socket,
                  std::string last,
                  std::chrono::milliseconds patience,
                  std::function<void()> done) {
  std::make_shared<Farewell>(std::move(socket), std::move(last), std::move(done))->start(patience);
}

} // namespace kdbg::server
