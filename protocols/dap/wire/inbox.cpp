#include "protocols/dap/wire/inbox.hpp"

#include <algorithm>

namespace kdbg::dap {

void Inbox::put(Item item) {
  {
    const std::lock_guard lock(mutex_);
    const Request* const request = std::get_if<Request>(&item);
    const ClientLeft* const left = std::get_if<ClientLeft>(&item);
    if (left && !left->why.empty()) {
      items_.push_front(std::move(item));
    } else if (request && (request->command == "pause" || request->command == "cancel")) {
      const auto before = std::find_if(items_.begin(), items_.end(), [](const Item& one) {
        return std::holds_alternative<Request>(one);
      });
      items_.insert(before, std::move(item));
    } else {
      items_.push_back(std::move(item));
    }
  }
  wake_();
}

std::optional<Item> Inbox::take() {
  const std::lock_guard lock(mutex_);
  if (items_.empty()) return {};
  Item item = std::move(items_.front());
  items_.pop_front();
  return item;
}

template <class T>
std::optional<T> Inbox::take_one() {
  const std::lock_guard lock(mutex_);
  const auto found = std::find_if(items_.begin(), items_.end(),
                                  [](const Item& one) { return std::holds_alternative<T>(one); });
  if (found == items_.end()) return {};
  T taken = std::move(*std::get_if<T>(&*found));
  items_.erase(found);
  return taken;
}
template std::optional<News> Inbox::take_one();
template std::optional<Finished> Inbox::take_one();

std::optional<Request> Inbox::withdraw(std::int64_t seq) {
  const std::lock_guard lock(mutex_);
  const auto found = std::find_if(items_.begin(), items_.end(), [&](const Item& one) {
    const Request* const request = std::get_if<Request>(&one);
    return request && request->seq == seq && request->command != "cancel";
  });
  if (found == items_.end()) return {};
  Request request = std::move(*std::get_if<Request>(&*found));
  items_.erase(found);
  return request;
}

std::size_t Inbox::waiting() const {
  const std::lock_guard lock(mutex_);
  return items_.size();
}

} // namespace kdbg::dap
