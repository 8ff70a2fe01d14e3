#include "adapter/server/console_feed.hpp"

#include <boost/asio/post.hpp>

#include <algorithm>
#include <chrono>
#include <string_view>
#include <utility>

namespace kdbg::server {

ConsoleFeed::ConsoleFeed(boost::asio::io_context& io, std::function<void(std::string)> deliver)
    : io_(io), timer_(io), deliver_(std::move(deliver)) {}

void ConsoleFeed::put(std::byte byte) {
  const std::lock_guard lock(mutex_);
  const bool first = gathered_.empty();
  gathered_ += static_cast<char>(byte);
  if (first) boost::asio::post(io_, [this] { wait(); });
}

void ConsoleFeed::wait() {
  constexpr std::chrono::milliseconds moment{20};
  timer_.expires_after(moment);
  timer_.async_wait([this](boost::system::error_code error) {
    if (error) return;
    std::string text;
    {
      const std::lock_guard lock(mutex_);
      text = std::exchange(gathered_, {});
    }
    for (std::string_view rest = text; !rest.empty();
         rest.remove_prefix(std::min(longest, rest.size()))) {
      deliver_(std::string(rest.substr(0, longest)));
    }
  });
}

} // namespace kdbg::server
