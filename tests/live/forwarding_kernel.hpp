#pragma once
/// The real Linux, to be listened to: a test overrides the calls that it cares about.
#include "kvm/kernel.hpp"

namespace kdbg::test {

class ForwardingKernel : public kvm::Kernel {
public:
  Result<kvm::Fd> open_kvm() override { return real_->open_kvm(); }
  Result<int> ioctl(kvm::Fd fd, unsigned long request, void* argument) override {
    return real_->ioctl(fd, request, argument);
  }
  Result<std::span<std::byte>> map_run(kvm::Fd vcpu, std::size_t length) override {
    return real_->map_run(vcpu, length);
  }
  Result<std::span<std::byte>> allocate(std::size_t length) override {
    return real_->allocate(length);
  }
  void close(kvm::Fd fd) override { real_->close(fd); }
  kvm::ThreadId adopt_thread(std::uint8_t* immediate_exit) override {
    return real_->adopt_thread(immediate_exit);
  }
  void kick(kvm::ThreadId thread) override { real_->kick(thread); }

private:
  std::unique_ptr<kvm::Kernel> real_ = kvm::make_linux_kernel();
};

} // namespace kdbg::test
