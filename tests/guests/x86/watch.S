/* Writes, reads and re-writes of every width around `buffer`, few instructions apart. */
#include "common.inc"
main:
  mov $2, %ebp
SITE round
  mov %ebp, %eax
SITE w1
  movb %al, buffer + 0
SITE w1_next
  nop
SITE w2
  movw %ax, buffer + 2
SITE w2_next
  nop
SITE w4
  movl %eax, buffer + 4
SITE w4_next
  nop
SITE w8
  movq %rax, buffer + 8
SITE w8_next
  nop
SITE w12
  movl %eax, buffer + 24        /* the last third of 12 bytes at +16 */
SITE w12_next
  nop
SITE w32
  movb %al, buffer + 63         /* the last byte of 32 at +32 */
SITE w32_next
  nop
SITE beside
  movb %al, buffer + 64         /* just behind: nobody watches this */
SITE same
  movl $0x5a5a5a5a, constant    /* never a change of value */
SITE same_next
  nop
SITE r4
  mov buffer + 4, %ecx
SITE r4_next
  nop
  mov $2, %ecx
  mov $string, %edi
SITE rep
  rep stosb
SITE rep_next
  dec %ebp
  jnz round
  SAY "buffer="
  HEX buffer, 16
  SAY " "
  HEX buffer+8, 16
  NL
  TRAPS main
  DONE 7
.data
.balign 128
.global buffer, constant, string
buffer: .fill 128, 1, 0
constant: .long 0x5a5a5a5a, 0
string: .fill 16, 1, 0
