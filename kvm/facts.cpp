#include "kvm/facts.hpp"

namespace kdbg::kvm {

std::vector<Fact> rows(const HostFacts& f) {
  return {
      {"advertised", "guest_debug", f.guest_debug, "KVM_CAP_SET_GUEST_DEBUG"},
      {"advertised", "debug_flags", static_cast<double>(f.debug_flags),
       "KVM_CAP_SET_GUEST_DEBUG2, a mask"},
      {"advertised", "sync_registers", f.sync_registers,
       "registers come with the exit (KVM_CAP_SYNC_REGS)"},
      {"advertised", "exception_payload", f.exception_payload, "exact DR6 for the guest's own #DB"},
      {"advertised", "readonly_memory", f.readonly_memory, "write-protected memory slots"},
      {"advertised", "avx512", f.xsave.avx512(), "guests have AVX-512's registers"},
      {"advertised", "pkru", f.xsave.pkru != 0, "guests have protection keys (PKRU)"},
      {"works", "single_step", f.single_step, "one instruction, then an exit"},
      {"works", "hardware_exec", f.hardware_exec, "debug registers stop execution"},
      {"works", "data_watch", f.data_watch, "debug registers stop data accesses"},
      {"works", "int3_exit", f.int3_exit, "int3 exits as a debug event"},
      {"works", "int3_internal_error", f.int3_internal_error,
       "int3 exits as a failed emulation, pc at it"},
      {"works", "block_interrupts", f.block_interrupts, "interrupts are held off while stepping"},
      {"works", "write_protect", f.write_protect, "a write to a read-only memory slot exits"},
      {"works", "register_exits", f.register_exits, "accesses to chosen MSRs exit"},
      {"works", "hypercall_exits", static_cast<double>(f.hypercall_exits),
       "hypercalls that can exit, a mask"},
      {"quirks", "emulated", f.emulated, "guest code runs in KVM's instruction emulator"},
      {"quirks", "rearm_step", f.rearm_step, "a step must be armed again each time"},
      {"quirks", "resume_flag_ignored", f.resume_flag_ignored,
       "a hardware breakpoint fires again on resume"},
      {"quirks", "breakpoint_pc_stays", f.breakpoint_pc_stays,
       "an injected #BP pushes the pc it finds"},
      {"quirks", "pushf_shows_trap_flag", f.pushf_shows_trap_flag, "a stepped pushf pushes TF"},
      {"quirks", "out_step_squashed", f.out_step_squashed,
       "a stepped OUT ends without a debug exit"},
      {"quirks", "mmio_step_squashed", f.mmio_step_squashed,
       "a stepped MMIO write ends without a debug exit"},
      {"quirks", "step_trap_lingers", f.step_trap_lingers,
       "an exit in the middle of a step leaves its trap to come too early"},
      {"quirks", "loops_per_second", f.loops_per_second, "two-instruction loop"},
      {"quirks", "steps_per_second", f.steps_per_second, "bare single steps"},
  };
}

} // namespace kdbg::kvm
