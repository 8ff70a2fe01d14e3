/* The hardware that the demo guest touches: ports, COM1, PIC, PIT, local APIC, IDT. */
#pragma once
#include <stdint.h>

static inline void outb(uint16_t port, uint8_t value) {
  __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}
static inline void outw(uint16_t port, uint16_t value) {
  __asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port));
}
static inline uint8_t inb(uint16_t port) {
  uint8_t value;
  __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}

/* What the CPU pushes for an interrupt or exception. */
struct interrupt_frame {
  uint64_t rip, cs, rflags, rsp, ss;
};

void serial_init(void);
void print(const char *text);
void print_number(uint64_t value);
void print_hex(uint64_t value);
/* 'q' typed on COM1, or -1. */
int serial_read(void);

/* Maps data and stacks no-execute. */
void data_no_execute(void);
void interrupts_init(void (*timer)(struct interrupt_frame *));
void timer_acknowledge(void);
/* INIT and start-up IPIs to all other processors, to run from physical `address`. */
void start_others(uint32_t address);
void power_off(void) __attribute__((noreturn));
