#include "machine.h"

enum { COM1 = 0x3f8, PIC1 = 0x20, PIC2 = 0xa0, PIT = 0x40, TICKS_PER_SECOND = 100 };

void serial_init(void) {
  outb(COM1 + 1, 0);
  outb(COM1 + 3, 3); /* 8 bits, no parity */
  outb(COM1 + 2, 7);
  outb(COM1 + 4, 3);
}

static void serial_write(char c) {
  while (!(inb(COM1 + 5) & 0x20)) {
  }
  outb(COM1, (uint8_t)c);
}

int serial_read(void) {
  uint8_t status = inb(COM1 + 5);
  return (status & 1) && status != 0xff ? inb(COM1) : -1;
}

void print(const char *text) {
  for (; *text; ++text)
    serial_write(*text);
}

void print_number(uint64_t value) {
  char digits[21];
  char *at = digits + 20;
  *at = 0;
  do
    *--at = (char)('0' + value % 10);
  while ((value /= 10) != 0);
  print(at);
}

void print_hex(uint64_t value) {
  print("0x");
  for (int shift = 60; shift >= 0; shift -= 4)
    serial_write("0123456789abcdef"[(value >> shift) & 15]);
}

struct gate {
  uint16_t offset_low, selector, attributes, offset_middle;
  uint32_t offset_high, reserved;
};
static struct gate idt[64] __attribute__((aligned(16)));

static void set_gate(unsigned vector, uint64_t handler) {
  idt[vector] = (struct gate){(uint16_t)handler,         0x10, 0x8e00, (uint16_t)(handler >> 16),
                              (uint32_t)(handler >> 32), 0};
}

/* One line for every exception; those that would only fault again end the guest. */
static void report(unsigned vector, uint64_t error, const struct interrupt_frame *frame) {
  print("exception ");
  print_number(vector);
  print(" error ");
  print_hex(error);
  print(" at ");
  print_hex(frame->rip);
  print("\n");
  if (vector == 1 || vector == 3) return;
  for (;;)
    outb(0xf4, 0x3f);
}

#define EXCEPTION(n)                                                                               \
  __attribute__((interrupt)) static void exception_##n(struct interrupt_frame *frame) {            \
    report(n, 0, frame);                                                                           \
  }
#define EXCEPTION_WITH_CODE(n)                                                                     \
  __attribute__((interrupt)) static void exception_##n(struct interrupt_frame *frame,              \
                                                       uint64_t error) {                           \
    report(n, error, frame);                                                                       \
  }
EXCEPTION(0)
EXCEPTION(1)
EXCEPTION(2)
EXCEPTION(3)
EXCEPTION(4)
EXCEPTION(5)
EXCEPTION(6)
EXCEPTION(7)
EXCEPTION_WITH_CODE(8)
EXCEPTION_WITH_CODE(10)
EXCEPTION_WITH_CODE(11)
EXCEPTION_WITH_CODE(12)
EXCEPTION_WITH_CODE(13)
EXCEPTION_WITH_CODE(14)
EXCEPTION(16)
EXCEPTION_WITH_CODE(17)

static void idt_load(void) {
  struct __attribute__((packed)) {
    uint16_t limit;
    uint64_t base;
  } pointer = {sizeof idt - 1, (uint64_t)idt};
  __asm__ volatile("lidt %0" : : "m"(pointer));
}

void interrupts_init(void (*timer)(struct interrupt_frame *)) {
#define GATE(n) set_gate(n, (uint64_t)exception_##n)
  GATE(0), GATE(1), GATE(2), GATE(3), GATE(4), GATE(5), GATE(6), GATE(7);
  GATE(8), GATE(10), GATE(11), GATE(12), GATE(13), GATE(14), GATE(16), GATE(17);
  set_gate(0x20, (uint64_t)timer);
  idt_load();
  static const uint8_t set_up[][2] = {{PIC1, 0x11},     {PIC2, 0x11},     {PIC1 + 1, 0x20},
                                      {PIC2 + 1, 0x28}, {PIC1 + 1, 4},    {PIC2 + 1, 2},
                                      {PIC1 + 1, 1},    {PIC2 + 1, 1},    {PIC1 + 1, 0xfe},
                                      {PIC2 + 1, 0xff}};
  for (unsigned i = 0; i < sizeof set_up / sizeof *set_up; ++i)
    outb(set_up[i][0], set_up[i][1]);
  unsigned divisor = 1193182 / TICKS_PER_SECOND;
  outb(PIT + 3, 0x34); /* channel 0, rate generator */
  outb(PIT, (uint8_t)divisor);
  outb(PIT, (uint8_t)(divisor >> 8));
  __asm__ volatile("sti");
}

void timer_acknowledge(void) { outb(PIC1, 0x20); }

void start_others(uint32_t address) {
  volatile uint32_t *command = (volatile uint32_t *)0xfee00300;
  *command = 0xc4500; /* INIT, all but self */
  for (int i = 0; i < 2000; ++i)
    __asm__ volatile("pause");
  *command = 0xc4600 | (address >> 12);
}

/* The large page that everything is in becomes small ones; both mappings of it share the table. */
void data_no_execute(void) {
  static uint64_t pages[512] __attribute__((aligned(4096)));
  extern const char data_begin[];
  const uint64_t kernel_base = 0xffffffff80000000, no_execute = 1ull << 63;
  uint64_t root, efer_low, efer_high;
  for (uint64_t i = 0; i < 512; ++i)
    pages[i] = i << 12 | 3 | (i << 12 >= (uint64_t)data_begin - kernel_base ? no_execute : 0);
  __asm__ volatile("rdmsr" : "=a"(efer_low), "=d"(efer_high) : "c"(0xc0000080));
  __asm__ volatile("wrmsr" : : "a"(efer_low | 1 << 11), "d"(efer_high), "c"(0xc0000080)); /* NXE */
  __asm__ volatile("mov %%cr3, %0" : "=r"(root));
  uint64_t *upper = (uint64_t *)(((uint64_t *)root)[511] & ~0xfffull);
  uint64_t *directory = (uint64_t *)(upper[510] & ~0xfffull);
  directory[0] = ((uint64_t)pages - kernel_base) | 3;
  __asm__ volatile("mov %0, %%cr3" : : "r"(root) : "memory");
}

void power_off(void) {
  outw(0x604, 0x2000);
  for (;;)
    __asm__ volatile("cli; hlt");
}
