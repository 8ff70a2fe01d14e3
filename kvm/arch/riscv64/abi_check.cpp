// On a RISC-V host, the mirrors in abi.hpp must be what the kernel header says.
#include "kvm/arch/riscv64/abi.hpp"

#if defined(__riscv)
#include <linux/kvm.h>

namespace kdbg::kvm::riscv64 {

static_assert(core_pc == (KVM_REG_RISCV | KVM_REG_SIZE_U64 | KVM_REG_RISCV_CORE |
                          KVM_REG_RISCV_CORE_REG(regs.pc)));
static_assert(core_x(1) == (KVM_REG_RISCV | KVM_REG_SIZE_U64 | KVM_REG_RISCV_CORE |
                            KVM_REG_RISCV_CORE_REG(regs.ra)));
static_assert(core_mode == (KVM_REG_RISCV | KVM_REG_SIZE_U64 | KVM_REG_RISCV_CORE |
                            KVM_REG_RISCV_CORE_REG(mode)));
static_assert(mode_user == KVM_RISCV_MODE_U && mode_supervisor == KVM_RISCV_MODE_S);
static_assert(csr(Csr::sstatus) == (KVM_REG_RISCV | KVM_REG_SIZE_U64 | KVM_REG_RISCV_CSR |
                                    KVM_REG_RISCV_CSR_REG(sstatus)));
static_assert(csr(Csr::satp) ==
              (KVM_REG_RISCV | KVM_REG_SIZE_U64 | KVM_REG_RISCV_CSR | KVM_REG_RISCV_CSR_REG(satp)));
static_assert(csr(Csr::senvcfg) == (KVM_REG_RISCV | KVM_REG_SIZE_U64 | KVM_REG_RISCV_CSR |
                                    KVM_REG_RISCV_CSR_REG(senvcfg)));
static_assert(fp_d(0) == (KVM_REG_RISCV | KVM_REG_SIZE_U64 | KVM_REG_RISCV_FP_D));
static_assert(fp_fcsr == (KVM_REG_RISCV | KVM_REG_SIZE_U32 | KVM_REG_RISCV_FP_D |
                          KVM_REG_RISCV_FP_D_REG(fcsr)));

} // namespace kdbg::kvm::riscv64
#endif
