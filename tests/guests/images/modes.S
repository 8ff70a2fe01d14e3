/* Every mode of an x86 in one run, from real mode and back: a mark on COM1 and a site in each. A flat
   image for 0x7c00; labels are linear addresses, whatever the code segment's base is.

     R real   S 16-bit protected, CS base 0x4000   P 32-bit   A PAE paging   L long mode, 4 levels
     5 long mode, 5 levels   C compatibility   p s r the way back

   A is taken when `try_pae` is not 0, since some hosts cannot run it; 5 when the CPU has it. */
#include "image16.inc"
#define BASE16 0x4000
#define CODE32 0x08
#define DATA 0x10
#define CODE16 0x18
#define DATA16 0x20
#define CODE64 0x28
#define TABLES 0x10000          /* PML4, PDPT, PD, PDPT of PAE, PML5 */
#define PML4 TABLES
#define PDPT (TABLES + 0x1000)
#define PD (TABLES + 0x2000)
#define PAE_PDPT (TABLES + 0x3000)
#define PML5 (TABLES + 0x4000)

.macro MARK letter, name
SITE \name
  nop
SITE \name\()_next
  mov $0x3f8, %dx
  mov $\letter, %al
  out %al, %dx
.endm
.macro PAGING_OFF
  mov %cr0, %eax
  and $0x7fffffff, %eax
  mov %eax, %cr0
.endm
.macro LONG_MODE_ENABLE set
  mov $0xc0000080, %ecx
  rdmsr
  .if \set
  or $0x100, %eax
  .else
  and $~0x100, %eax
  .endif
  wrmsr
.endm
.macro PAGING_ON tables
  mov $\tables, %eax
  mov %eax, %cr3
  mov %cr0, %eax
  or $0x80000000, %eax
  mov %eax, %cr0
.endm

.text
.code16
SITE _start
  cli
  xor %ax, %ax
  mov %ax, %ds
  mov %ax, %es
  mov %ax, %ss
  mov $0x7c00, %sp
  MARK 'R', real
  lgdtl gdt_pointer
  mov %cr0, %eax
  or $1, %al
  mov %eax, %cr0
  ljmp $CODE16, $prot16_entry - BASE16

SITE prot16_entry
  mov $DATA16, %ax
  mov %ax, %ds
  mov %ax, %es
  mov %ax, %ss
  MARK 'S', prot16
  ljmpl $CODE32, $prot32_entry

.code32
SITE prot32_entry
  mov $DATA, %eax
  mov %eax, %ds
  mov %eax, %es
  mov %eax, %ss
  mov $0x7c00, %esp
  MARK 'P', prot32
  mov $TABLES, %edi             /* identity map of 1 GiB, 2M pages */
  xor %eax, %eax
  mov $0x5000 / 4, %ecx
  cld
  rep stosl
  movl $PDPT + 3, PML4
  movl $PD + 3, PDPT
  movl $PD + 1, PAE_PDPT
  movl $PML4 + 3, PML5
  mov $PD, %edi
  mov $0x83, %eax
  mov $8, %ecx                  /* the first 16 MiB of it */
1:mov %eax, (%edi)
  add $0x200000, %eax
  add $8, %edi
  loop 1b
  mov %cr4, %eax
  or $0x20, %eax
  mov %eax, %cr4
  cmpb $0, try_pae
  je no_pae
  PAGING_ON PAE_PDPT
  MARK 'A', pae
  PAGING_OFF
no_pae:
  LONG_MODE_ENABLE 1
  PAGING_ON PML4
  ljmp $CODE64, $long_entry

.code64
SITE long_entry
  mov $0x123456789abcdef0, %r15
  MARK 'L', long4
  mov $7, %eax
  xor %ecx, %ecx
  cpuid
  bt $16, %ecx
  jnc compat_far
  push $CODE32
  mov $leave_for_5, %eax
  push %rax
  lretq
.code32
leave_for_5:
  PAGING_OFF
  LONG_MODE_ENABLE 0
  mov %cr4, %eax
  or $0x1000, %eax
  mov %eax, %cr4
  LONG_MODE_ENABLE 1
  PAGING_ON PML5
  ljmp $CODE64, $long5_entry
.code64
SITE long5_entry
  MARK '5', long5
compat_far:
  push $CODE32
  mov $compat_entry, %eax
  push %rax
  lretq

.code32
SITE compat_entry
  MARK 'C', compat
  PAGING_OFF
  LONG_MODE_ENABLE 0
  mov %cr4, %eax
  and $~0x1020, %eax
  mov %eax, %cr4
  MARK 'p', back32
  ljmp $CODE16, $back16_entry - BASE16

.code16
SITE back16_entry
  mov $DATA16, %ax
  mov %ax, %ds
  mov %ax, %es
  mov %ax, %ss
  MARK 's', back16
  mov %cr0, %eax
  and $~1, %al
  mov %eax, %cr0
  ljmp $0, $real_again
SITE real_again
  xor %ax, %ax
  mov %ax, %ds
  mov %ax, %ss
  MARK 'r', back_real
  mov $'\n', %al
  out %al, %dx
  DONE16 30

.global try_pae
try_pae: .byte 0
.balign 8
gdt: .quad 0, 0x00cf9b000000ffff, 0x00cf93000000ffff
  .quad 0x00009b004000ffff, 0x000093000000ffff, 0x00af9b000000ffff
gdt_pointer: .word . - gdt - 1
  .long gdt
