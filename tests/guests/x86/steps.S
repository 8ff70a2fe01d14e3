/* One awkward instruction after the other, each between NAME_at and NAME_next.
   What each did is printed at the end. MMIO and port results are those of the test devices. */
#include "common.inc"
.macro AT name
  SITE \name\()_at
.endm
.macro NEXT name
  SITE \name\()_next
  nop
.endm
main:
  movl $0x12345678, scratch
AT plain
  mov $7, %eax
NEXT plain
AT cpuid
  cpuid
NEXT cpuid
AT pushf
  pushfq
NEXT pushf
  popq pushf_image
AT pushfw
  pushfw
NEXT pushfw
  popw pushfw_image
  pushq $0x46
AT popf
  popfq
NEXT popf
  pushfq
  popq popf_result
  mov $0xe0, %edx
AT in
  in %dx, %al
NEXT in
  mov %al, in_result
  mov $0xe1, %edx
AT out
  out %al, %dx
NEXT out
  mov $0xe2, %edx
  xor %eax, %eax
  in %dx, %al
  mov %rax, out_result
  mov $0xfd000000, %ebx
AT mmio_read
  mov (%rbx), %eax
NEXT mmio_read
  mov %rax, mmio_read_result
AT mmio_write
  movl $1, 4(%rbx)
NEXT mmio_write
  mov 8(%rbx), %eax
  mov %rax, mmio_write_result
  mov (%rbx), %eax
  mov %rax, mmio_second_read
  cld
  mov $0xab, %al
  mov $3, %ecx
  mov $stos_buffer, %edi
AT stosb
  rep stosb
NEXT stosb
  mov $3, %ecx
  mov $0xfd000004, %edi
AT stosl_mmio
  rep stosl
NEXT stosl_mmio
  mov 8(%rbx), %eax
  mov %rax, stosl_mmio_result
  mov $5, %ecx
  mov $outs_text, %esi
  mov $0xe1, %edx
AT outsb
  rep outsb
NEXT outsb
  mov %rcx, outs_rcx
  mov $0xe2, %edx
  xor %eax, %eax
  in %dx, %al
  mov %rax, outs_result
  mov %ss, %eax
AT movss
  mov %eax, %ss
SITE movss_shadow
  nop
NEXT movss
AT call
  call callee
NEXT call
  SAY "pushf="
  HEX pushf_image
  SAY " pushfw="
  HEX pushfw_image, 4
  SAY " popf="
  HEX popf_result
  SAY "\nin="
  HEX in_result, 2
  SAY " out="
  HEX out_result, 2
  SAY " mmio_read="
  HEX mmio_read_result
  SAY " mmio_write="
  HEX mmio_write_result
  SAY " mmio_again="
  HEX mmio_second_read
  SAY "\nstos="
  HEX stos_buffer
  SAY " stos_mmio="
  HEX stosl_mmio_result
  SAY " outs="
  HEX outs_result, 2
  SAY " outs_rcx="
  HEX outs_rcx, 2
  NL
  TRAPS main
  DONE 2
SITE callee
  ret
.data
DATA64 scratch
DATA64 pushf_image
DATA64 pushfw_image
DATA64 popf_result
DATA64 in_result
DATA64 out_result
DATA64 mmio_read_result
DATA64 mmio_write_result
DATA64 mmio_second_read
DATA64 stos_buffer
DATA64 stosl_mmio_result
DATA64 outs_result
DATA64 outs_rcx
outs_text: .ascii "12345"
