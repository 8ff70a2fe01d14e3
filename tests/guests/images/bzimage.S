/* A bzImage in small: a setup header, a 64-bit entry that "decompresses" (copies) its kernel to where
   it runs, as Linux does, and a kernel that says what the zero page told it. With NO_64 it has only
   the 32-bit entry, which says so. */
#define LOAD 0x1000000
#define KERNEL 0x2000000
.macro SITE name
  .global \name
  \name:
.endm
.text
SITE _start
  .org 0x1f1
  .byte 1                       /* setup_sects */
  .word 0
  .long (image_end - code) / 16
  .word 0, 0xffff, 0
  .word 0xaa55
  .byte 0xeb, header_end - 1f
1:.ascii "HdrS"
  .word 0x20f
  .long 0
  .word 0, 0
  .byte 0, 1                    /* type_of_loader, loadflags: loaded high */
  .word 0
  .long 0x100000, 0, 0, 0
  .word 0, 0
  .long 0, 0x7fffffff           /* cmd_line_ptr, initrd_addr_max */
  .long 0x200000
  .byte 1, 21                   /* relocatable_kernel */
#ifdef NO_64
  .word 0
#else
  .word 1                       /* XLF_KERNEL_64 */
#endif
  .long 2047, 0
  .quad 0
  .long 0, 0
  .quad 0, LOAD
  .long 0x1100000, 0
header_end:
  .org 0x400
code:
.code32
SITE startup_32
  mov $0x3f8, %edx
  mov $'3', %al
  out %al, %dx
  mov $28, %al
  out %al, $0xf4
  hlt
  .org 0x600
.code64
SITE startup_64
  mov %rsi, %r15                /* the zero page */
  mov $LOAD + payload - code, %esi
  mov $KERNEL, %edi
  mov $payload_end - payload, %ecx
SITE decompress
  rep movsb
SITE decompressed
  mov %r15, %rsi
  mov $KERNEL, %eax
  jmp *%rax
.balign 16
payload:                        /* position independent: runs at KERNEL */
  lea stack_top(%rip), %rsp
  mov %rsi, %r15
  lea 7f(%rip), %rsi
  call puts
  mov 0x228(%r15), %esi         /* cmd_line_ptr */
  call puts
  lea 8f(%rip), %rsi
  call puts
  mov 0x218(%r15), %esi         /* ramdisk_image */
  test %esi, %esi
  jz 1f
  call puts
1:mov $'\n', %al
  mov $0x3f8, %edx
  out %al, %dx
  movzbl 0x1e8(%r15), %ebx      /* e820 entries */
SITE told
  mov $29, %al
  out %al, $0xf4
2:hlt
  jmp 2b
puts:
  mov $0x3f8, %edx
1:lodsb
  test %al, %al
  jz 2f
  out %al, %dx
  jmp 1b
2:ret
7:.asciz "cmdline="
8:.asciz "\ninitrd="
.balign 16
  .skip 256
stack_top:
payload_end:
.balign 16
image_end:
