/* A multiboot kernel, loaded by its header's addresses or, as ELF32, by its program headers. Says
   what it was given. */
.macro SITE name
  .global \name
  \name:
.endm
.macro SAY text
  .pushsection .rodata
  7771: .asciz "\text"
  .popsection
  mov $7771b, %esi
  call puts
.endm
#ifdef BY_ADDRESSES
#define FLAGS 0x10003
#else
#define FLAGS 3
#endif
.text
.code32
.balign 4
header:
  .long 0x1badb002, FLAGS, -(0x1badb002 + FLAGS)
#ifdef BY_ADDRESSES
  .long header, header, 0, 0, _start
#endif
#ifdef PVH
.pushsection .note.Xen, "a", @note
  .long 4, 4, 18
  .asciz "Xen"
  .long pvh_entry
.popsection
SITE pvh_entry
  mov $25, %al
  out %al, $0xf4
  hlt
#endif
SITE _start
  mov $stack_top, %esp
  cmp $0x2badb002, %eax
  jne wrong
  SAY "cmdline="
  mov 16(%ebx), %esi
  call puts
  SAY "\nmodule="
  testl $8, (%ebx)
  jz 1f
  mov 24(%ebx), %edi
  mov 8(%edi), %esi
  call puts
  SAY " "
  mov (%edi), %esi
  call puts
1:SAY "\n"
SITE told
  mov $24, %al
  out %al, $0xf4
2:hlt
  jmp 2b
wrong:
  SAY "no magic\n"
  mov $26, %al
  out %al, $0xf4
  jmp 2b
puts:
  pusha
  mov $0x3f8, %edx
1:lodsb
  test %al, %al
  jz 2f
  out %al, %dx
  jmp 1b
2:popa
  ret
.bss
.balign 16
  .skip 1024
stack_top:
