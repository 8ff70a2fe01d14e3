#include "adapter/server/gateway/dap_reader.hpp"

#include "adapter/server/gateway/dap_words.hpp"

#include <boost/asio/steady_timer.hpp>

#include <array>

namespace kdbg::server {
namespace {

namespace asio = boost::asio;
using ErrorCode = boost::system::error_code;

class Reader : public std::enable_shared_from_this<Reader> {
public:
  using Done = std::function<void(Socket, std::string_view)>;
  Reader(Socket socket, std::string said, Done done)
      : socket_(std::move(socket)),
        timer_(socket_.get_executor()),
        said_(std::move(said)),
        done_(std::move(done)) {}

  void start(std::chrono::milliseconds patience) {
    timer_.expires_after(patience);
    timer_.async_wait([self = shared_from_this()](ErrorCode error) {
      ErrorCode ignored;
      if (!error) self->socket_.cancel(ignored); // which ends the read
    });
    look();
  }

private:
  void look() {
    const DapFirst first = dap_first(said_);
    if (first.over) return finish(first.message);
    socket_.async_read_some(asio::buffer(input_),
                            [self = shared_from_this()](ErrorCode error, std::size_t count) {
                              if (error) return self->finish({});
                              self->said_.append(self->input_.data(), count);
                              self->look();
                            });
  }

  void finish(std::string_view request) {
    timer_.cancel();
    done_(std::move(socket_), request);
  }

  Socket socket_;
  asio::steady_timer timer_;
  std::string said_;
  Done done_;
  std::array<char, 4096> input_{};
};

} // namespace

void read_dap_request(Socket socket,
                      std::string said,
                      std::chrono::milliseconds patience,
                      std::function<void(Socket, std::string_view)> done) {
  std::make_shared<Reader>(std::move(socket), std::move(said), std::move(done))->start(patience);
}

} // namespace kdbg::server
