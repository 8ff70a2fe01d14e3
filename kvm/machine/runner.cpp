#include "kvm/machine/runner.hpp"

#include <cassert>
#include <ctime>
#include <pthread.h>

namespace kdbg::kvm {

Runner::~Runner() {
  halt();
  wait_parked();
  {
    const std::lock_guard lock(mutex_);
    quit_ = true;
    for (auto& seat : seats_) {
      seat->wake.notify_one();
    }
  }
  for (auto& seat : seats_) {
    seat->thread.join();
  }
}

void Runner::add(std::uint8_t* immediate_exit) {
  std::unique_lock lock(mutex_);
  const std::size_t n = seats_.size();
  seats_.push_back(std::make_unique<Seat>());
  Seat& seat = *seats_.back();
  seat.thread = std::thread([this, n, immediate_exit] { sit(n, immediate_exit); });
  done_.wait(lock, [&] { return seat.id != ThreadId::none; });
}

void Runner::sit(std::size_t n, std::uint8_t* immediate_exit) {
  std::unique_lock lock(mutex_);
  Seat& seat = *seats_[n];
  seat.id = kernel_.adopt_thread(immediate_exit);
  done_.notify_all();
  for (;;) {
    seat.wake.wait(lock, [&] { return quit_ || seat.released || seat.work != nullptr; });
    if (quit_) return;
    if (seat.work != nullptr) {
      (*seat.work)();
      seat.work = nullptr;
      done_.notify_all();
      continue;
    }
    seat.released = false;
    lock.unlock();
    loop_(VcpuId{static_cast<std::uint32_t>(n)});
    lock.lock();
    seat.out = false;
    if (--out_ == 0) {
      all_parked_();
      done_.notify_all();
    }
  }
}

void Runner::on_vcpu(VcpuId id, const std::function<void()>& work) {
  std::unique_lock lock(mutex_);
  Seat& seat = *seats_[index(id)];
  assert(seat.work == nullptr);
  seat.work = &work;
  seat.wake.notify_one();
  done_.wait(lock, [&] { return seat.work == nullptr; });
}

void Runner::release(std::span<const VcpuId> ids) {
  {
    const std::lock_guard lock(mutex_);
    assert(out_ == 0);
    halting_ = false;
    out_ = ids.size();
    for (const VcpuId id : ids) {
      Seat& seat = *seats_[index(id)];
      seat.released = seat.out = true;
    }
  }
  // After the lock: whoever wakes needs it at once.
  for (const VcpuId id : ids) {
    seats_[index(id)]->wake.notify_one();
  }
  if (ids.empty()) all_parked_();
}

void Runner::halt() {
  halting_ = true; // before the kicks: whoever is about to enter KVM sees one or the other
  const std::lock_guard lock(mutex_);
  for (auto& seat : seats_) {
    if (seat->out && seat->thread.get_id() != std::this_thread::get_id()) kernel_.kick(seat->id);
  }
}

bool Runner::idle() {
  constexpr std::chrono::microseconds next_to_none{200};
  const std::lock_guard lock(mutex_);
  bool idle = out_ != 0;
  for (auto& seat : seats_) {
    if (!seat->out) continue;
    clockid_t clock{};
    timespec time{};
    if (::pthread_getcpuclockid(seat->thread.native_handle(), &clock) != 0 ||
        ::clock_gettime(clock, &time) != 0) {
      return false;
    }
    const auto now = std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
    idle = idle && now - seat->used < next_to_none;
    seat->used = now;
  }
  return idle;
}

void Runner::wait_parked() {
  std::unique_lock lock(mutex_);
  done_.wait(lock, [&] { return out_ == 0; });
}

} // namespace kdbg::kvm
