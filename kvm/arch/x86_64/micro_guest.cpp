#include "kvm/arch/x86_64/micro_guest.hpp"

#include <cstring>

namespace kdbg::kvm::x86 {
namespace {

constexpr std::uint64_t pml4 = 0x1000, pdpt = 0x2000, pd = 0x3000, gdt = 0x4000, idt = 0x5000;
constexpr std::size_t vectors = 64, page_size = 0x1000;
constexpr std::uint8_t opcode_hlt = 0xf4;

} // namespace

Result<std::unique_ptr<MicroGuest>> MicroGuest::create(Kernel& kernel, bool irqchip) {
  std::unique_ptr<MicroGuest> guest(new MicroGuest(kernel));
  TRY(guest->build(irqchip));
  return guest;
}

Status MicroGuest::build(bool irqchip) {
  TRY(create_vm(0, page_size)); // and the read-only page
  std::uint64_t identity_map = 0xfffbc000;
  TRY(kernel_.ioctl(vm_, KVM_SET_IDENTITY_MAP_ADDR, &identity_map));
  TRY(kernel_.ioctl(vm_, KVM_SET_TSS_ADDR, integer(0xfffbd000)));
  if (irqchip) TRY(kernel_.ioctl(vm_, KVM_CREATE_IRQCHIP, nullptr));
  if (TRY(kernel_.ioctl(kvm_, KVM_CHECK_EXTENSION, integer(KVM_CAP_EXCEPTION_PAYLOAD))) != 0) {
    kvm_enable_cap cap{};
    cap.cap = KVM_CAP_EXCEPTION_PAYLOAD;
    cap.args[0] = 1;
    TRY(kernel_.ioctl(vm_, KVM_ENABLE_CAP, &cap));
  }
  TRY(create_vcpu());
  auto cpuid = std::make_unique<Cpuid>();
  TRY(kernel_.ioctl(kvm_, get_supported_cpuid, cpuid.get()));
  TRY(vcpu_->ioctl(set_cpuid, cpuid.get()));
  write_tables();
  if (irqchip) TRY(enable_apic());
  initial_ = TRY(vcpu_->get<Sregs>(get_sregs));
  initial_.cs = flat(0x08, 11, true);
  initial_.ds = initial_.es = initial_.fs = initial_.gs = initial_.ss = flat(0x10, 3, false);
  initial_.gdt = {gdt, 23, {}};
  initial_.idt = {idt, vectors * 16 - 1, {}};
  initial_.cr0 = cr0_pg | cr0_pe | 0x30;
  initial_.cr3 = pml4;
  initial_.cr4 = cr4_pae;
  initial_.efer = 0x100 | efer_lma;
  return Done{};
}

void MicroGuest::write_tables() {
  const auto put = [this](std::uint64_t at, std::uint64_t value) {
    std::memcpy(memory_.data() + at, &value, sizeof value);
  };
  put(pml4, pdpt | 3);
  put(pdpt, pd | 3);
  put(pd, 0x83); // one 2 MiB page: 64 KiB of it is memory
  put(gdt + 8, 0x00af9b000000ffff);
  put(gdt + 16, 0x00cf93000000ffff);
  for (std::uint64_t n = 0; n < vectors; ++n) {
    put(idt + 16 * n, (handler & 0xffff) | 0x08u << 16 | std::uint64_t{0x8e00} << 32);
  }
  memory_[handler] = std::byte{opcode_hlt};
}

Status MicroGuest::enable_apic() {
  auto apic = TRY(vcpu_->get<kvm_lapic_state>(KVM_GET_LAPIC));
  const std::uint32_t spurious = 0x1ff; // software enable (SDM vol. 3, 11.9)
  std::memcpy(apic.regs + 0xf0, &spurious, sizeof spurious);
  return vcpu_->set(KVM_SET_LAPIC, apic);
}

Status MicroGuest::load(std::initializer_list<unsigned> bytes, std::uint64_t rflags) {
  std::uint64_t at = code;
  for (const unsigned byte : bytes) {
    memory_[at++] = static_cast<std::byte>(byte);
  }
  memory_[at] = std::byte{opcode_hlt};
  Regs regs{};
  regs.rip = code;
  regs.rsp = stack;
  regs.rflags = rflags;
  regs.rbx = data;
  regs.rdx = mmio;
  regs.rdi = read_only;
  TRY(vcpu_->set(set_sregs, initial_));
  TRY(vcpu_->set(set_regs, regs));
  VcpuEvents none{};
  return vcpu_->set(set_events, none);
}

Status MicroGuest::debug(std::uint32_t control, std::uint64_t address, std::uint64_t dr7) {
  GuestDebug out{};
  out.control = control == 0 ? 0 : control | debug_enable;
  out.debugreg[0] = address;
  out.debugreg[7] = dr7;
  return vcpu_->set(set_guest_debug, out);
}

bool MicroGuest::stopped_by(std::uint32_t exception) const {
  return page().exit_reason == KVM_EXIT_DEBUG && debug_exit().exception == exception;
}

Status MicroGuest::add_read_only_page() {
  kvm_userspace_memory_region region{};
  region.slot = 1;
  region.flags = KVM_MEM_READONLY;
  region.guest_phys_addr = read_only;
  region.memory_size = page_size;
  region.userspace_addr = reinterpret_cast<std::uint64_t>(memory_.data() + read_only);
  TRY(kernel_.ioctl(vm_, KVM_SET_USER_MEMORY_REGION, &region));
  return Done{};
}

Status MicroGuest::send_interrupt(std::uint8_t vector) {
  kvm_msi message{};
  message.address_lo = 0xfee00000;
  message.data = vector;
  TRY(kernel_.ioctl(vm_, KVM_SIGNAL_MSI, &message));
  return Done{};
}

} // namespace kdbg::kvm::x86
