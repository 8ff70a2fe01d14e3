/* From the PVH entry (32-bit, paging off) to kernel_main in the higher half; and the way of a
   secondary processor from real mode at 0x8000 to secondary_entry. */
#define KERNEL_BASE 0xffffffff80000000
#define CODE32 0x08
#define CODE64 0x10
#define DATA 0x18
#define TRAMPOLINE 0x8000

.section .note.Xen, "a", @note
  .long 4, 4, 18                /* XEN_ELFNOTE_PHYS32_ENTRY */
  .asciz "Xen"
  .long boot_entry

.section .boot, "awx"
.code32
.global boot_entry
boot_entry:
  mov %ebx, boot_info - KERNEL_BASE
  mov $boot_stack, %esp
  lgdt boot_gdt_pointer
  call enter_long_mode
  ljmp $CODE64, $boot64

/* Paging and long mode on; still 32-bit code when it returns. */
enter_long_mode:
  mov %cr4, %eax
  or $0x20, %eax                /* PAE */
  mov %eax, %cr4
  mov $boot_pml4, %eax
  mov %eax, %cr3
  mov $0xc0000080, %ecx         /* EFER.LME */
  rdmsr
  or $0x100, %eax
  wrmsr
  mov %cr0, %eax
  or $0x80010001, %eax          /* PG, WP, PE */
  mov %eax, %cr0
  ret

.code64
boot64:
  mov $DATA, %eax
  mov %eax, %ds
  mov %eax, %es
  mov %eax, %ss
  xor %eax, %eax
  mov %eax, %fs
  mov %eax, %gs
  mov $primary_start, %rax
  jmp *%rax

.balign 8
boot_gdt:
  .quad 0, 0x00cf9b000000ffff, 0x00af9b000000ffff, 0x00cf93000000ffff
boot_gdt_pointer:
  .word . - boot_gdt - 1
  .quad boot_gdt
  .skip 64
boot_stack:

/* The first GiB twice (at 0 and at KERNEL_BASE) and the fourth, uncached, for the local APIC. */
.balign 4096
boot_pml4:
  .quad boot_low_pdpt + 3
  .fill 510, 8, 0
  .quad boot_high_pdpt + 3
boot_low_pdpt:
  .quad boot_ram + 3, 0, 0, boot_devices + 3
  .fill 508, 8, 0
boot_high_pdpt:
  .fill 510, 8, 0
  .quad boot_ram + 3, 0
boot_ram:
  .set page, 0
  .rept 512
  .quad page + 0x83
  .set page, page + 0x200000
  .endr
boot_devices:
  .rept 512
  .quad page + 0xc0000000 - 0x40000000 + 0x93
  .set page, page + 0x200000
  .endr

.text
.cfi_sections .debug_frame
.type primary_start, @function
primary_start:
  .cfi_startproc
  .cfi_undefined rip
  mov $primary_stack_top, %rsp
  xor %ebp, %ebp
  call kernel_main
1:cli
  hlt
  jmp 1b
  .cfi_endproc
.size primary_start, . - primary_start

/* Copied to TRAMPOLINE; a start-up IPI begins here in real mode with cs.base = TRAMPOLINE. */
.global trampoline, trampoline_end
trampoline:
.code16
  cli
  xor %ax, %ax
  mov %ax, %ds
  lgdtl TRAMPOLINE + (trampoline_gdt_pointer - trampoline)
  mov %cr0, %eax
  or $1, %al
  mov %eax, %cr0
  ljmpl $CODE32, $TRAMPOLINE + (trampoline32 - trampoline)
.code32
trampoline32:
  mov $DATA, %eax
  mov %eax, %ds
  mov %eax, %ss
  mov $TRAMPOLINE + 0x1000, %esp
  mov $enter_long_mode, %eax
  call *%eax
  ljmp $CODE64, $TRAMPOLINE + (trampoline64 - trampoline)
.code64
trampoline64:
  mov $secondary_start, %rax
  jmp *%rax
.balign 4
trampoline_gdt_pointer:
  .word 31
  .long boot_gdt
trampoline_end:

.type secondary_start, @function
secondary_start:
  .cfi_startproc
  .cfi_undefined rip
  mov $1, %edi
  lock xadd %edi, next_cpu      /* 1, 2, ... */
  cmp $4, %edi
  jae 1f
  mov %edi, %eax
  shl $13, %eax
  mov $secondary_stacks, %rsp
  add %rax, %rsp
  xor %ebp, %ebp
  call secondary_main
1:cli
  hlt
  jmp 1b
  .cfi_endproc
.size secondary_start, . - secondary_start

.data
next_cpu: .long 1
.bss
.balign 16
  .skip 0x4000
primary_stack_top:
secondary_stacks:               /* each grows down from the next 8 KiB step */
  .skip 0x6000
