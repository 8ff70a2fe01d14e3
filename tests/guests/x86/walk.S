/* A loop that a small interpreter knows instruction by instruction (tests/live/walk.py): sums, stores,
   a call, the stack and a port. Every vCPU has its own 64 bytes of `cells`. After ROUNDS rounds vCPU 0
   prints what came of it and ends the guest. */
#include "common.inc"
#define ROUNDS 300
main:
  sti                           /* see spin.S */
  nop
  mov %edi, %r12d
  shl $6, %r12d
  xor %eax, %eax
  xor %ebx, %ebx
  xor %ecx, %ecx
  xor %edx, %edx
  xor %esi, %esi
  movq $0, cells(%r12)
  movq $0, cells+8(%r12)
  mov $ROUNDS, %ebp
SITE w_add
  add $1, %rax
SITE w_xor
  xor %rax, %rbx
SITE w_store
  mov %rbx, cells(%r12)
SITE w_call
  call w_leaf
SITE w_load
  add cells+8(%r12), %rcx
SITE w_push
  push %rcx
SITE w_pop
  pop %rdx
SITE w_pad
  nop
SITE w_out
  out %al, $0xe1
SITE w_dec
  dec %rbp
SITE w_jump
  jnz w_add
SITE w_end
  test %r12, %r12
  jnz park
  SAY "rax="
  HEX %rax, 16
  SAY " rbx="
  HEX %rbx, 16
  SAY " rcx="
  HEX %rcx, 16
  SAY " rdx="
  HEX %rdx, 16
  SAY " rsi="
  HEX %rsi, 16
  SAY " cells="
  HEX cells, 16
  HEX cells+8, 16
  NL
  DONE 4
SITE park
  pause
  jmp park
SITE w_leaf
  lea 3(%rdx,%rcx), %rsi
SITE w_keep
  mov %rsi, cells+8(%r12)
SITE w_ret
  ret
SITE w_text_end
.data
.balign 64
.global cells
cells: .fill 32, 8, 0
