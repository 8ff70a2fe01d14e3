#pragma once
/// One thread per vCPU: parked until it is released, and back in its place before anyone looks.
/// The only place in kvmdbg where threads wait for each other.
#include "kvm/kernel.hpp"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

namespace kdbg::kvm {

class Runner {
public:
  /// `loop` runs a released vCPU until it must park; on that vCPU's thread. `all_parked` is called
  /// by the last thread to park after a release.
  Runner(Kernel& kernel, std::function<void(VcpuId)> loop, std::function<void()> all_parked)
      : kernel_(kernel), loop_(std::move(loop)), all_parked_(std::move(all_parked)) {}
  /// Halts and joins.
  ~Runner();

  /// One thread more, parked. `immediate_exit` is the vCPU's, for kicks.
  void add(std::uint8_t* immediate_exit);
  void on_vcpu(VcpuId id, const std::function<void()>& work);
  void release(std::span<const VcpuId> ids);
  void halt();
  bool halting() const { return halting_.load(); }
  /// Whether the released vCPUs have used next to no processor time since the last call.
  bool idle();
  /// Waits until no vCPU is out; for the way out of the program.
  void wait_parked();

private:
  struct Seat {
    std::thread thread;
    ThreadId id = ThreadId::none;
    std::condition_variable wake;
    bool released = false;
    std::chrono::nanoseconds used{0}; ///< processor time at the last look
    bool out = false;                 ///< released and not parked again
    const std::function<void()>* work = nullptr;
  };
  void sit(std::size_t n, std::uint8_t* immediate_exit);

  Kernel& kernel_;
  std::function<void(VcpuId)> loop_;
  std::function<void()> all_parked_;
  std::mutex mutex_;
  std::condition_variable done_;
  std::vector<std::unique_ptr<Seat>> seats_;
  std::size_t out_ = 0; ///< vCPUs released and not parked again
  std::atomic<bool> halting_{false};
  bool quit_ = false;
};

} // namespace kdbg::kvm
