#pragma once
/// A limit on how long a probe's guest may run.
#include "kvm/kernel.hpp"

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace kdbg::kvm {

/// Kicks this thread out of KVM_RUN when the questions take too long: a KVM that never comes back
/// must not hang the program.
class Watchdog {
public:
  Watchdog(Kernel& kernel, std::uint8_t* immediate_exit, std::chrono::milliseconds limit)
      : kernel_(kernel),
        asker_(kernel.adopt_thread(immediate_exit)),
        thread_([this, limit] { guard(limit); }) {}
  ~Watchdog() {
    {
      const std::lock_guard lock(mutex_);
      done_ = true;
    }
    finished_.notify_one();
    thread_.join();
    kernel_.adopt_thread(nullptr);
  }
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

private:
  void guard(std::chrono::milliseconds limit) {
    std::unique_lock lock(mutex_);
    if (!finished_.wait_for(lock, limit, [this] { return done_; })) kernel_.kick(asker_);
  }
  Kernel& kernel_;
  ThreadId asker_;
  std::mutex mutex_;
  std::condition_variable finished_;
  bool done_ = false;
  std::thread thread_;
};

} // namespace kdbg::kvm
