#pragma once
/// The typed face of one vCPU file descriptor. Knows no architecture. Every call is made on the
/// vCPU's own thread, or while that thread is parked outside KVM_RUN: an ioctl on a vCPU that
/// runs would wait for it without end (virt/kvm/kvm_main.c takes vcpu->mutex).
#include "kvm/kernel.hpp"

#include <linux/kvm.h>

namespace kdbg::kvm {

class Vcpu {
public:
  Vcpu(Kernel& kernel, Fd fd, VcpuId id, std::span<std::byte> run_page)
      : kernel_(kernel), fd_(fd), id_(id), run_(reinterpret_cast<kvm_run*>(run_page.data())) {}
  ~Vcpu() { kernel_.close(fd_); }
  Vcpu(const Vcpu&) = delete;
  Vcpu& operator=(const Vcpu&) = delete;

  VcpuId id() const { return id_; }
  kvm_run& run_page() { return *run_; }

  Result<int> ioctl(unsigned long request, void* argument) {
    return kernel_.ioctl(fd_, request, argument);
  }
  template <class T>
  Result<T> get(unsigned long request) {
    T out{};
    TRY(ioctl(request, &out));
    return out;
  }
  template <class T>
  Status set(unsigned long request, const T& in) {
    TRY(ioctl(request, const_cast<T*>(&in)));
    return Done{};
  }

  /// One KVM_RUN. EINTR and EAGAIN come back as Code::kernel with that errno.
  Result<int> run() { return ioctl(KVM_RUN, nullptr); }
  /// Completes an exit that the VMM has served (api.rst 5, "KVM_EXIT_IO ... pending operation"):
  /// enters KVM with immediate_exit set, so no guest instruction runs.
  Result<int> complete_exit() {
    run_->immediate_exit = 1;
    auto result = run();
    run_->immediate_exit = 0;
    return result;
  }

private:
  Kernel& kernel_;
  Fd fd_;
  VcpuId id_;
  kvm_run* run_;
};

} // namespace kdbg::kvm
