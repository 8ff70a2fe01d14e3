#include "adapter/server/gateway/arrival.hpp"

#include <fmt/format.h>

namespace kdbg::server {

namespace asio = boost::asio;

Arrival::Arrival(Visitor visitor, std::span<const Protocol> protocols)
    : visitor_(std::move(visitor)), protocols_(protocols), timer_(visitor_.socket.get_executor()) {}

void Arrival::start(std::chrono::milliseconds patience, Outcomes outcomes) {
  outcomes_ = std::move(outcomes);
  timer_.expires_after(patience);
  timer_.async_wait([weak = weak_from_this()](boost::system::error_code error) {
    auto self = weak.lock();
    if (error || !self) return;
    self->close(self->said_.empty() ? "it said nothing" : "it did not say all of its first words");
  });
  read();
}

void Arrival::read() {
  visitor_.socket.async_read_some(
      asio::buffer(input_),
      [self = shared_from_this()](boost::system::error_code error, std::size_t count) {
        self->on_read(error, count);
      });
}

void Arrival::on_read(boost::system::error_code error, std::size_t count) {
  if (over_) return;
  if (error) return close(error == asio::error::eof ? "it hung up" : error.message());
  take({input_.data(), count});
  if (!over_) read();
}

void Arrival::take(std::string_view bytes) {
  if (head_) return take_head(bytes);
  said_ += bytes;
  switch (sniff(protocols_, said_).kind) {
  case Sniffed::Kind::undecided:
    return;
  case Sniffed::Kind::protocol:
    return leave(outcomes_.protocol, std::string_view(said_));
  case Sniffed::Kind::dap:
    return leave(outcomes_.dap, std::string_view(said_));
  case Sniffed::Kind::http:
    head_ = std::make_unique<HttpHead>();
    return take_head(said_);
  case Sniffed::Kind::nothing:
    return close(fmt::format("no protocol begins with byte {:#04x}",
                             static_cast<unsigned char>(said_.front())));
  }
}

void Arrival::take_head(std::string_view bytes) {
  const auto taken = head_->take(bytes);
  if (!taken) return leave(outcomes_.malformed, taken.error());
  if (head_->whole()) leave(outcomes_.http, head_->request(), *taken < bytes.size());
}

template <class Outcome, class... Rest>
void Arrival::leave(Outcome& outcome, Rest&&... rest) {
  over_ = true;
  timer_.cancel();
  const auto self = shared_from_this(); // the outcome may be what lets go of it
  const auto told = std::move(outcome);
  outcomes_ = {};
  told(std::move(visitor_), std::forward<Rest>(rest)...);
}

void Arrival::close(std::string_view why) {
  if (std::exchange(over_, true)) return;
  timer_.cancel();
  boost::system::error_code ignored;
  visitor_.socket.close(ignored);
  const auto self = shared_from_this();
  const auto outcomes = std::exchange(outcomes_, {});
  outcomes.closed(visitor_.peer, why);
}

} // namespace kdbg::server
