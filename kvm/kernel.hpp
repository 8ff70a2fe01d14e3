#pragma once
/// The whole of Linux that kvm/ may touch. The real one is in kernel_linux.cpp, a scripted one in
/// tests/fakes. Knows no architecture.
#include "adapter/result.hpp"
#include "adapter/types.hpp"

#include <functional>
#include <memory>

namespace kdbg::kvm {

enum class Fd : int { none = -1 };
/// A thread that runs a vCPU, for `kick`.
enum class ThreadId : int { none = 0 };

class Kernel {
public:
  virtual ~Kernel() = default;
  /// /dev/kvm; the error says what is missing and what to do.
  virtual Result<Fd> open_kvm() = 0;
  /// The ioctl's answer, >= 0; errno becomes Code::kernel with `sys_errno`.
  virtual Result<int> ioctl(Fd fd, unsigned long request, void* argument) = 0;
  /// The kvm_run page(s) of a vCPU; unmapped by the destructor.
  virtual Result<std::span<std::byte>> map_run(Fd vcpu, std::size_t length) = 0;
  /// Zeroed, page-aligned memory to give to a guest; freed by the destructor.
  virtual Result<std::span<std::byte>> allocate(std::size_t length) = 0;
  virtual void close(Fd fd) = 0;
  /// The calling thread becomes a vCPU's: a kick of it stores 1 to `*immediate_exit`.
  virtual ThreadId adopt_thread(std::uint8_t* immediate_exit) = 0;
  /// Makes the thread's KVM_RUN return EINTR, also one that is only about to start.
  virtual void kick(ThreadId thread) = 0;
};

/// Passes an integer where an ioctl takes one.
inline void* integer(std::uintptr_t value) {
  return reinterpret_cast<void*>(value); // NOLINT(performance-no-int-to-ptr): the interface is so
}

/// Told of every ioctl but KVM_RUN's: request number and answer, -errno on failure. Any thread.
using IoctlObserver = std::function<void(unsigned long request, int answer)>;

/// The running Linux. Kicks use SIGUSR1, whose handler it installs.
std::unique_ptr<Kernel> make_linux_kernel(IoctlObserver observer = {});

} // namespace kdbg::kvm
