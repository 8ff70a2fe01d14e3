/* Every general register holds its own pattern at `loaded`; what they hold at `changed` is printed
   by the guest, so a debugger's writes are proved by the guest itself. */
#include "common.inc"
.macro LOAD reg, value
  mov $\value, %\reg
.endm
.macro KEEP reg, slot
  mov %\reg, kept + 8 * \slot
.endm
main:
  mov %cr0, %rax
  and $~0xc, %eax               /* EM, TS off */
  or $2, %eax
  mov %rax, %cr0
  mov %cr4, %rax
  or $0x600, %eax
  mov %rax, %cr4
  LOAD rax, 0xa0a0a0a0a0a0a0a0
  LOAD rbx, 0xb1b1b1b1b1b1b1b1
  LOAD rcx, 0xc2c2c2c2c2c2c2c2
  LOAD rdx, 0xd3d3d3d3d3d3d3d3
  LOAD rsi, 0x5454545454545454
  LOAD rdi, 0x6565656565656565
  LOAD rbp, 0x7676767676767676
  LOAD r8, 0x0808080808080808
  LOAD r9, 0x0909090909090909
  LOAD r10, 0x1010101010101010
  LOAD r11, 0x1111111111111111
  LOAD r12, 0x1212121212121212
  LOAD r13, 0x1313131313131313
  LOAD r14, 0x1414141414141414
  LOAD r15, 0x1515151515151515
  movdqu pattern, %xmm3
SITE loaded
  nop
SITE changed
  KEEP rax, 0
  KEEP rbx, 1
  KEEP rcx, 2
  KEEP rdx, 3
  KEEP rsi, 4
  KEEP rdi, 5
  KEEP rbp, 6
  KEEP rsp, 7
  KEEP r8, 8
  KEEP r9, 9
  KEEP r10, 10
  KEEP r11, 11
  KEEP r12, 12
  KEEP r13, 13
  KEEP r14, 14
  KEEP r15, 15
  pushfq
  popq kept + 128
  movdqu %xmm5, kept + 144
SITE saved
  mov $stacks + STACK_SIZE - 64, %esp
  xor %ebp, %ebp
1:SAY "r"
  HEX %rbp, 2
  SAY "="
  HEX "kept(,%rbp,8)", 16
  NL
  inc %ebp
  cmp $20, %ebp
  jne 1b
  DONE 8
SITE elsewhere
  incq moved
  jmp changed
.data
DATA64 moved
.balign 16
pattern: .quad 0x0123456789abcdef, 0xfedcba9876543210
.global kept
kept: .fill 20, 8, 0
