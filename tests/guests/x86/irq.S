/* Timer interrupts: steps with one pending, sti;hlt, hlt stepped.
   Needs the interrupt controller: run the PVH build. */
#include "common.inc"
.macro ARM ticks                /* one interrupt, ticks / 1.19 MHz from now */
  mov $0x30, %al
  out %al, $0x43
  mov $\ticks & 0xff, %al
  out %al, $0x40
  mov $\ticks >> 8, %al
  out %al, $0x40
.endm
.macro OUTB value, port
  mov $\value, %al
  out %al, $\port
.endm
main:
  mov $timer, %eax
  mov %ax, idt + 0x200
  movw $CODE64, idt + 0x202
  movw $0x8e00, idt + 0x204
  shr $16, %eax
  mov %ax, idt + 0x206
  OUTB 0x11, 0x20
  OUTB 0x11, 0xa0
  OUTB 0x20, 0x21
  OUTB 0x28, 0xa1
  OUTB 4, 0x21
  OUTB 2, 0xa1
  OUTB 1, 0x21
  OUTB 1, 0xa1
  OUTB 0xfe, 0x21
  OUTB 0xff, 0xa1
  OUTB 0x0a, 0x20               /* reads of 0x20 give the requests */
  ARM 2000
1:in $0x20, %al
  test $1, %al
  jz 1b
SITE pending
  sti
SITE seq1
  xor %eax, %eax
SITE seq2
  cpuid
SITE seq3
  mov $5, %ebx
SITE seq4
  nop
SITE seq5
  cli
SITE seq6
  nop
  sti                           /* whatever was held back comes now: an emulating KVM */
  mov $1000, %ecx               /* looks only every few hundred instructions */
1:dec %ecx
  jnz 1b
SITE settled
  cli
  SAY "irqs="
  HEX irqs, 2
  NL
  mov $3, %ebp
2:mov irqs, %ebx
  ARM 12000
SITE sti_at
  sti
SITE hlt_at
  hlt
SITE hlt_next
  cli
  cmp irqs, %ebx
  je lost
  dec %ebp
  jnz 2b
  SAY "wakes=3 irqs="
  HEX irqs, 2
  NL
  TRAPS main
  DONE 11
lost:
  SAY "woke without interrupt\n"
  DONE 12
SITE timer
  push %rax
  mov 8(%rsp), %rax
  mov %rax, last_rip
  mov 24(%rsp), %rax
  mov %rax, last_flags
  or %rax, all_flags
  incl irqs
  OUTB 0x20, 0x20
  pop %rax
SITE timer_return
  iretq
.data
DATA64 last_rip
DATA64 last_flags
DATA64 all_flags
.global irqs
irqs: .quad 0
