#include "adapter/server/survey.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>

namespace kdbg::server {

namespace asio = boost::asio;
using ErrorCode = boost::system::error_code;

Survey::Survey(asio::io_context& io, std::vector<MachineInfo> machines, Machines::Listed listed)
    : io_(io), timer_(io), machines_(std::move(machines)), listed_(std::move(listed)) {}

void Survey::begin(const std::vector<std::string>& sockets, std::string_view question) {
  waiting_ = machines_.size();
  for (MachineInfo& machine : machines_) {
    machine.state = "no answer";
    asked_.push_back(std::make_unique<Asked>(io_));
  }
  for (std::size_t i = 0; i < machines_.size(); ++i) {
    ask(i, sockets[i], question);
  }
  if (waiting_ == 0) asio::post(io_, [self = shared_from_this()] { self->finish(); });
  timer_.expires_after(patience);
  timer_.async_wait([self = shared_from_this()](ErrorCode error) {
    if (!error) self->finish();
  });
}

void Survey::ask(std::size_t which, const std::string& path, std::string_view question) {
  auto& socket = asked_[which]->socket;
  socket.async_connect({path}, [self = shared_from_this(), which, question](ErrorCode error) {
    if (error) return self->answered();
    auto& connected = self->asked_[which]->socket;
    asio::async_write(connected, asio::buffer(question), [self, which](ErrorCode failed, auto) {
      if (failed) return self->answered();
      self->on_answer(which);
    });
  });
}

void Survey::on_answer(std::size_t which) {
  constexpr std::size_t longest = 1024; // bytes of a line
  Asked& asked = *asked_[which];
  asio::async_read_until(asked.socket, asio::dynamic_buffer(asked.answer, longest), '\n',
                         [self = shared_from_this(), which](ErrorCode error, std::size_t length) {
                           if (!self->listed_) return; // it had come when time was up
                           std::string& line = self->asked_[which]->answer;
                           if (!error) self->machines_[which].state = line.substr(0, length - 1);
                           self->answered();
                         });
}

void Survey::answered() {
  if (--waiting_ == 0) finish();
}

void Survey::give_up() {
  listed_ = {};
  finish();
}

void Survey::finish() {
  timer_.cancel();
  for (const auto& asked : asked_) {
    ErrorCode ignored;
    asked->socket.close(ignored);
  }
  if (listed_) std::exchange(listed_, {})(std::move(machines_));
}

} // namespace kdbg::server
