/* The demo guest: something to look at with a debugger. Prints a banner, then one line every
   `print_every` ticks of a 100 Hz timer; a second processor counts beside it. */
#include "machine.h"

struct node {
  const char *name;
  unsigned value;
  struct node *next;
};

struct cpu_work {
  uint64_t calls;
  unsigned last_cpu;
};

void *boot_info;             /* struct hvm_start_info, set by boot.S */
volatile uint64_t timer_tick;  /* counts interrupts */
volatile uint64_t heartbeat;   /* written by beat() and nowhere else */
volatile uint64_t secondary_counter;
volatile unsigned secondary_running;
volatile uint64_t run_ticks;   /* power off after so many ticks; 0 runs for ever */
volatile unsigned print_every = 100;
volatile unsigned protect_data; /* set ahead of kernel_main: data and stacks cannot be executed */
struct cpu_work work;
volatile uint64_t history[1024]; /* of heartbeats: 8 KiB, more than debug registers cover */

static struct node nodes[] = {{"apple", 3, 0}, {"pear", 5, 0}, {"plum", 7, 0}};
struct node *list_head;

extern const char trampoline[], trampoline_end[];

__attribute__((interrupt)) static void timer_interrupt(struct interrupt_frame *frame) {
  (void)frame;
  timer_tick = timer_tick + 1;
  timer_acknowledge();
}

__attribute__((noinline)) uint64_t factorial(unsigned n) {
  if (n <= 1) return 1;
  uint64_t below = factorial(n - 1);
  return n * below;
}

__attribute__((noinline)) void list_push(struct node *node) {
  node->next = list_head;
  list_head = node;
}

__attribute__((noinline)) unsigned list_sum(const struct node *node) {
  unsigned sum = 0;
  for (; node; node = node->next)
    sum += node->value;
  return sum;
}

/* Both processors come here. */
__attribute__((noinline)) void shared_work(unsigned cpu) {
  __atomic_fetch_add(&work.calls, 1, __ATOMIC_RELAXED);
  work.last_cpu = cpu;
}

__attribute__((noinline)) void beat(uint64_t tick) {
  heartbeat = tick;
  history[tick % 1024] = tick;
}

void secondary_main(unsigned cpu) {
  secondary_running = cpu;
  for (;;) {
    secondary_counter = secondary_counter + 1;
    shared_work(cpu);
    __asm__ volatile("pause");
  }
}

static void start_secondary(void) {
  char *to = (char *)0x8000;
  __asm__ volatile("" : "+r"(to)); /* a low address is fine here */
  for (const char *from = trampoline; from != trampoline_end; ++from)
    *to++ = *from;
  start_others(0x8000);
  for (uint64_t patience = timer_tick + 5; !secondary_running && timer_tick < patience;)
    __asm__ volatile("pause");
}

static void print_status(uint64_t tick) {
  print("tick ");
  print_number(tick);
  print(" heartbeat ");
  print_number(heartbeat);
  print(" sum ");
  print_number(list_sum(list_head));
  if (secondary_running) {
    print(" secondary ");
    print_number(secondary_counter);
  }
  print("\n");
}

void kernel_main(void) {
  serial_init();
  if (protect_data) data_no_execute();
  print("kvmdbg demo guest: long mode, 4-level paging\n");
  interrupts_init(timer_interrupt);
  for (unsigned i = 0; i < sizeof nodes / sizeof *nodes; ++i)
    list_push(&nodes[i]);
  uint64_t product = factorial(5);
  print("factorial 5 is ");
  print_number(product);
  print("\n");
  start_secondary();
  print(secondary_running ? "second processor runs\n" : "one processor\n");
  for (uint64_t seen = 0;;) {
    __asm__ volatile("hlt");
    uint64_t now = timer_tick;
    if (now == seen) continue;
    seen = now;
    beat(now);
    shared_work(0);
    if (now % print_every == 0) print_status(now);
    if (serial_read() == 'q' || (run_ticks && now >= run_ticks)) {
      print("power off\n");
      power_off();
    }
  }
}
