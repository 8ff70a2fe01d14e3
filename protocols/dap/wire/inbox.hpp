#pragma once
/// What the main thread has to deal with, in order: requests, news of the guest, finished work.
/// Threads put in, the main thread takes out. Knows no LLDB.
#include "protocols/dap/message/message.hpp"

#include <deque>
#include <functional>
#include <mutex>

namespace kdbg::dap {

/// The client has left; `why` is empty when it did so between two messages.
struct ClientLeft {
  std::string why;
};
/// A notification of the server's: docs/jkvm.md.
struct News {
  Json event;
};
/// The server has gone.
struct ServerLeft {
  std::string why;
};
/// A thread has finished something; the rest is for the main thread.
struct Finished {
  std::function<void()> rest;
};
using Item = std::variant<Request, Malformed, ClientLeft, News, ServerLeft, Finished>;

class Inbox {
public:
  /// `wake` is called after each `put`, from the thread that puts.
  explicit Inbox(std::function<void()> wake) : wake_(std::move(wake)) {}
  /// `pause` and `cancel` go ahead of requests that wait; a client that was lost needs no answers.
  void put(Item item);
  std::optional<Item> take();
  /// The next news, and the next finished work, ahead of all that waits.
  std::optional<News> take_news() { return take_one<News>(); }
  std::optional<Finished> take_finished() { return take_one<Finished>(); }
  /// Takes a request that waits out of the line.
  std::optional<Request> withdraw(std::int64_t seq);
  /// How many requests wait.
  std::size_t waiting() const;

private:
  template <class T>
  std::optional<T> take_one();

  mutable std::mutex mutex_;
  std::deque<Item> items_;
  std::function<void()> wake_;
};

} // namespace kdbg::dap
