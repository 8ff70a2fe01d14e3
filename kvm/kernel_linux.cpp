#include "kvm/kernel.hpp"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <linux/kvm.h>
#include <mutex>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace kdbg::kvm {
namespace {

// The one thing a signal handler can reach: where this thread's kvm_run wants to be told.
thread_local std::uint8_t* immediate_exit_of_this_thread = nullptr;

void on_kick(int) {
  if (immediate_exit_of_this_thread != nullptr) {
    __atomic_store_n(immediate_exit_of_this_thread, std::uint8_t{1}, __ATOMIC_RELAXED);
  }
}

Error failed(std::string what) {
  const int saved = errno;
  char text[128];
  return {Code::kernel, std::move(what) + ": " + ::strerror_r(saved, text, sizeof text), saved};
}

std::string why_no_kvm(int error) {
  switch (error) {
  case ENOENT:
    return "this kernel has no KVM device; load kvm_intel, kvm_amd or kvm_pvm, or enable nested "
           "virtualisation for this machine";
  case EACCES:
  case EPERM:
    return "no permission; add yourself to the group that owns it (usually 'kvm') or run as root";
  case ENODEV:
  case ENXIO:
    return "the KVM module found no usable hardware; check the firmware's VT-x/SVM setting";
  default:
    return "unexpected error";
  }
}

class LinuxKernel final : public Kernel {
public:
  explicit LinuxKernel(IoctlObserver observer) : observer_(std::move(observer)) {
    struct sigaction action {};
    action.sa_handler = on_kick; // no SA_RESTART: KVM_RUN must return
    ::sigaction(SIGUSR1, &action, nullptr);
  }
  ~LinuxKernel() override {
    for (auto& mapping : mappings_) {
      ::munmap(mapping.data(), mapping.size());
    }
  }

  Result<Fd> open_kvm() override {
    const int fd = ::open("/dev/kvm", O_RDWR | O_CLOEXEC);
    if (fd >= 0) return Fd{fd};
    Error error = failed("cannot open /dev/kvm");
    error.what += " (" + why_no_kvm(error.sys_errno) + ")";
    return error;
  }

  Result<int> ioctl(Fd fd, unsigned long request, void* argument) override {
    const int answer = ::ioctl(static_cast<int>(fd), request, argument);
    if (request == KVM_RUN && answer < 0) return Error{Code::kernel, {}, errno};
    if (observer_ && request != KVM_RUN) {
      const int saved = errno;
      observer_(request, answer < 0 ? -saved : answer);
      errno = saved;
    }
    if (answer >= 0) return answer;
    char text[40];
    std::snprintf(text, sizeof text, "ioctl 0x%lx", request);
    return failed(text);
  }

  Result<std::span<std::byte>> map_run(Fd vcpu, std::size_t length) override {
    return map(length, MAP_SHARED, static_cast<int>(vcpu), "cannot map kvm_run");
  }
  Result<std::span<std::byte>> allocate(std::size_t length) override {
    return map(length, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, "cannot allocate memory");
  }
  void close(Fd fd) override { ::close(static_cast<int>(fd)); }

  ThreadId adopt_thread(std::uint8_t* immediate_exit) override {
    immediate_exit_of_this_thread = immediate_exit;
    return ThreadId{static_cast<int>(::syscall(SYS_gettid))};
  }
  void kick(ThreadId thread) override {
    ::syscall(SYS_tgkill, ::getpid(), static_cast<int>(thread), SIGUSR1);
  }

private:
  Result<std::span<std::byte>> map(std::size_t length, int flags, int fd, const char* what) {
    void* at = ::mmap(nullptr, length, PROT_READ | PROT_WRITE, flags, fd, 0);
    if (at == MAP_FAILED) return failed(what);
    mappings_.emplace_back(static_cast<std::byte*>(at), length);
    return mappings_.back();
  }

  IoctlObserver observer_;
  std::vector<std::span<std::byte>> mappings_;
};

} // namespace

std::unique_ptr<Kernel> make_linux_kernel(IoctlObserver observer) {
  return std::make_unique<LinuxKernel>(std::move(observer));
}

} // namespace kdbg::kvm
