/// The first and only program of the demo's Linux: says that user space is up, then what time it
/// is, every second. No libc, so that the initramfs is a few hundred bytes.

static long call(long number, long a, long b, long c) {
  long result;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c)
                   : "rcx", "r11", "memory");
  return result;
}

enum { sys_read = 0, sys_write = 1, sys_open = 2, sys_close = 3, sys_nanosleep = 35, sys_mount = 165 };

static unsigned long length(const char* text) {
  unsigned long n = 0;
  while (text[n]) n++;
  return n;
}

static void say(const char* text, unsigned long size) { call(sys_write, 1, (long)text, (long)size); }

/// A breakpoint here shows how a program of the guest is reached: `break *ADDRESS` with its own ELF.
__attribute__((noinline)) void report_uptime(void) {
  char line[80] = "uptime ";
  const long file = call(sys_open, (long)"/proc/uptime", 0, 0);
  const long got = call(sys_read, file, (long)(line + 7), 60);
  call(sys_close, file, 0, 0);
  if (got > 0) say(line, (unsigned long)got + 7);
}

__attribute__((noreturn, force_align_arg_pointer)) void _start(void) {
  static const char up[] = "kvmdbg: userspace is up\n";
  const long second[2] = {1, 0};
  say(up, length(up));
  __asm__ volatile("syscall"  // mount has five arguments
                   :
                   : "a"((long)sys_mount), "D"("proc"), "S"("/proc"), "d"("proc")
                   : "rcx", "r11", "memory", "r10", "r8");
  for (;;) {
    report_uptime();
    call(sys_nanosleep, (long)second, 0, 0);
  }
}
