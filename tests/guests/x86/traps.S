/* Instructions that leave through a gate or a system call: #UD, #PF, iret, syscall, sysret. */
#include "common.inc"
#define LSTAR 0xc0000082
main:
  movq $ud_next, resume_at
SITE ud_at
  ud2
SITE ud_next
  movq $pf_next, resume_at
  mov $0x7fffffffff8, %rax      /* beyond the identity map */
SITE pf_at
  mov (%rax), %rbx
SITE pf_next
  nop
  mov %rsp, %rax
  push $DATA
  push %rax
  push $0x46
  push $CODE64
  push $iret_next
SITE iret_at
  iretq
SITE iret_next
  nop
  pushfq
  popq iret_flags
  mov $0xc0000080, %ecx         /* EFER.SCE */
  rdmsr
  or $1, %eax
  wrmsr
  mov $0xc0000081, %ecx         /* STAR: kernel at 0x10 - 8: CS 0x10, SS 0x18 */
  mov $0x00100010, %edx
  xor %eax, %eax
  wrmsr
  mov $LSTAR, %ecx
  mov $syscall_entry, %eax
  xor %edx, %edx
  wrmsr
  mov $0xc0000084, %ecx         /* SFMASK: TF, IF */
  mov $0x300, %eax
  wrmsr
SITE syscall_at
  syscall
SITE syscall_next
  nop
  SAY "iret_flags="
  HEX iret_flags
  SAY " syscall_rcx=+"
  mov syscall_rcx, %rax
  sub $syscall_at, %rax
  HEX %rax, 2
  SAY " syscall_r11="
  HEX syscall_r11
  NL
  TRAPS main
  DONE 3
SITE syscall_entry
  mov %rcx, syscall_rcx
  mov %r11, syscall_r11
  jmp *%rcx
.data
DATA64 iret_flags
DATA64 syscall_rcx
DATA64 syscall_r11
