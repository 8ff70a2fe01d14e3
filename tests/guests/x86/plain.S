/* Every instruction that a debugger may carry out by itself instead of stepping it, each at a SITE
   of its own between first_site and last_site; ends with status 43. */
#include "common.inc"
main:
  SAY "plain\n"
  mov $3, %r12d
SITE first_site
  nop
  nopw 0x10(%rax,%rax,1)
  endbr64
  mov $0x1122334455667788, %rax
  mov %rax, %rbx
  mov %ebx, %ecx
  movw $0x7fff, %cx
  movb $0x80, %cl
  mov $-5, %rdx
  movl $-7, word
  mov word, %esi
  movzbl byte, %edi
  movzwq word, %r8
  movsbq byte, %r9
  movslq word, %r10
  lea 0x10(%rax,%rbx,2), %r11
  lea word(%rip), %r13
  add %rbx, %rax
  add $0x7f, %cl
  sub %ecx, %esi
  sub $1, %rdx
  cmp %rax, %rbx
  cmpl $3, word
  inc %edi
  dec %r8
  inc %cl
  and $0xff0, %eax
  or %edi, %eax
  xor %r9, %rax
  test %eax, %eax
  js 1f
  addq $1, (%r13)
1:jne 2f
  nop
2:push %rax
  push $-2
  push (%r13)
  pop %r14
  pop %r15
  pop %rbp
  add %r14, sum
  add %r15, sum
  add %rbp, sum
  add %r10, sum
  add %r11, sum
  call inside
  add %rcx, sum
  add %rsi, sum
  xor %eax, %eax
  jmp 3f
  hlt
3:dec %r12d
  jnz first_site
SITE last_site
  pushfq
  pop %rax
  HEX %rax, 4
  SAY " sum="
  HEX sum, 16
  SAY " word="
  HEX word, 16
  NL
  DONE 21
inside:
  add %rdx, sum
  ret
.data
DATA64 sum
DATA64 word
DATA64 byte, 0x9c
