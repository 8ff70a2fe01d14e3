/* Every vCPU runs ROUNDS times through one site and counts; vCPU 0 waits and prints.
   The number of vCPUs to wait for is in `vcpus`, 2 unless it is changed. */
#include "common.inc"
#define ROUNDS 50
main:
  mov %edi, %ebx
  sti                           /* see spin.S */
  nop
  mov $ROUNDS, %ebp
1:call shared
  incq counts(,%rbx,8)
  dec %ebp
  jnz 1b
  lock incl finished
  test %ebx, %ebx
  jnz park
2:pause
  mov finished, %eax
  cmp vcpus, %eax
  jb 2b
  SAY "count0="
  HEX counts, 4
  SAY " count1="
  HEX counts+8, 4
  SAY " shared="
  mov shared_count, %eax
  HEX %rax, 4
  NL
  DONE 6
SITE park
  pause
  jmp park
SITE shared
  nop
SITE shared_inc
  lock incl shared_count
SITE shared_ret
  ret
.data
.balign 8
.global counts, shared_count, finished, vcpus
counts: .fill 8, 8, 0
shared_count: .long 0
finished: .long 0
vcpus: .long 2
