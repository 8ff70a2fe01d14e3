#include "protocols/dap/wire/outbox.hpp"

#include <chrono>

namespace kdbg::dap {

Outbox::Outbox(Channel& channel) : channel_(channel), writer_([this] { write_all(); }) {}

void Outbox::flush() {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, std::chrono::seconds(1),
                    [this] { return dropped_ || (messages_.empty() && idle_); });
}

Outbox::~Outbox() {
  flush();
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    if (!messages_.empty() || !idle_) channel_.shut();
  }
  changed_.notify_all();
  writer_.join();
}

void Outbox::put(std::string message) {
  {
    const std::lock_guard lock(mutex_);
    if (dropped_) return;
    if (idle_ && messages_.empty() && channel_.write_now(message)) return;
    bytes_ += message.size();
    messages_.push_back(std::move(message));
    if (bytes_ > max_unread) {
      dropped_ = overrun_ = true;
      messages_.clear();
      channel_.shut();
    }
  }
  changed_.notify_all();
}

bool Outbox::overrun() const {
  const std::lock_guard lock(mutex_);
  return overrun_;
}

void Outbox::write_all() {
  std::unique_lock lock(mutex_);
  for (;;) {
    idle_ = true;
    changed_.notify_all();
    changed_.wait(lock, [this] { return ending_ || !messages_.empty(); });
    if (ending_) return;
    std::string message = std::move(messages_.front());
    messages_.pop_front();
    idle_ = false;
    lock.unlock();
    const bool written(channel_.write(message));
    lock.lock();
    bytes_ -= std::min(bytes_, message.size());
    if (!written) {
      dropped_ = true;
      messages_.clear();
    }
  }
}

} // namespace kdbg::dap
