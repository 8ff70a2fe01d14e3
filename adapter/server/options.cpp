#include "adapter/server/options.hpp"

#include "adapter/server/gateway/door.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>

namespace kdbg::server {
namespace {

constexpr const char* footer = R"(Examples:
  kvmdbg run vmlinux --append 'console=ttyS0' --initrd initrd.gz
      Debian's kernel, stopped at its entry; then: gdb vmlinux -ex 'target remote :1234'
  kvmdbg run kernel.elf --cpus 2 --listen unix:/tmp/guest.sock --go
      a guest that runs at once; attach when you like
  gdb kernel.elf -ex 'target remote | ssh HOST kvmdbg run --listen stdio kernel.elf'
      a guest that lives as long as gdb is connected
  kvmdbg run --flat 0x7c00 boot.bin
      a boot sector in real mode
  kvmdbg run --firmware /usr/share/seabios/bios-256k.bin --debug-port bios.log
      firmware from the reset vector
  kvmdbg dump --connect :1234 guest.core
      the memory of a stopped guest, then: gdb vmlinux guest.core
  kvmdbg platform
      all machines of yours as processes of an lldb platform: platform select remote-gdb-server,
      platform connect connect://127.0.0.1:1235, process attach --name kernel.elf; or gdb's
      target extended-remote :1235, info os processes, attach PID
  kvmdbg probe
      what this host's KVM can really do for a debugger

Exit codes:
  the guest's own status when it left by port 0xf4 (arm64: the test device), 0 when it powered off or
  when the debugger on stdio left, 1 the guest could not be started or the server failed, 2 wrong usage,
  3 no usable /dev/kvm, 128+N ended by signal N)";

/// A name stands in lists and in debuggers' commands, where a path would mean a file.
std::string check_name(const std::string& name) {
  constexpr std::size_t longest = 64; // bytes
  const bool plain = std::all_of(name.begin(), name.end(), [](char c) {
    return static_cast<unsigned char>(c) >= ' ' && c != 0x7f && c != '/';
  });
  if (plain && !name.empty() && name.size() <= longest) return {};
  return "a machine's name has 1 to 64 bytes, no / and no control characters";
}

/// What the guest starts from, and how.
void add_image(CLI::App& run, RunOptions& o) {
  run.add_option("IMAGE", o.image,
                 "Linux bzImage (vmlinuz), multiboot 1 kernel, ELF with a PVH note (vmlinux), bare "
                 "ELF32 or ELF64: told by content, in this order, as with QEMU's -kernel")
      ->required()
      ->check(CLI::ExistingFile);
  CLI::Option* flat = run.add_option(
      "--flat", o.flat,
      "IMAGE is a flat binary: load it at this address (0x7c00 for a boot sector) and "
      "start it in real mode, DL=0x80, at 0000:ADDR, or at ADDR/16:ADDR%16 from "
      "0x10000 on; interrupts are off and no BIOS service does anything. On arm64: at EL1, the MMU "
      "off");
  run.add_flag(
         "--firmware", o.firmware,
         "x86: IMAGE is firmware: read-only memory that ends at 4 GiB, its last 256 KiB also in "
         "RAM below 1 MiB; starts at the reset vector")
      ->excludes(flat);
  run.add_option("--debug-port", o.debug_port,
                 "x86: write what firmware says on port 0x402 to this file; default: no such port");
}

constexpr const char* any_user_text =
    "let processes of all users of this host in by TCP; default: this user's and root's";

std::string check_origin(const std::string& text) {
  if (is_origin(text)) return {};
  return "an origin is scheme://host or scheme://host:port, without a path: https://example.org";
}

/// Who may come, by which protocols.
void add_doors(CLI::App& run, RunOptions& o) {
  run.add_option("--listen", o.listen,
                 "HOST:PORT, unix:PATH or stdio; with ,observe behind it for clients that may only "
                 "look; repeatable; default 127.0.0.1:1234")
      ->allow_extra_args(false);
  run.add_flag("--allow-remote", o.allow_remote,
               "listen on addresses that other machines reach: whoever connects owns the guest");
  run.add_flag("--any-user", o.any_user, any_user_text);
  run.add_option("--allow-origin", o.origins,
                 "pages of this origin may come by WebSocket, with a token; repeatable; default: "
                 "the server's own page")
      ->allow_extra_args(false)
      ->check(check_origin);
  run.add_option("--dap", o.dap,
                 "the debug adapter, of which each DAP client gets a process; default: kvmdbg-dap "
                 "beside kvmdbg or in PATH");
  run.add_option("--root", o.roots,
                 "debug adapters may read symbol and source files in this folder; repeatable; "
                 "default: the image's folder")
      ->allow_extra_args(false)
      ->check(CLI::ExistingDirectory);
  run.add_option("--max-workers", o.max_workers, "debug adapters at a time")
      ->capture_default_str()
      ->check(CLI::Range(0, 1024));
  run.add_option("--worker-timeout", o.worker_timeout,
                 "seconds after which a debug adapter that reads nothing of its client is ended")
      ->capture_default_str()
      ->check(CLI::Range(1, 86400));
  run.add_option("--audit", o.audit, "write who changed what to this file, a line for each change");
}

void add_run(CLI::App& run, RunOptions& o) {
  add_image(run, o);
  run.add_option("--cpus", o.cpus, "number of vCPUs")
      ->capture_default_str()
      ->check(CLI::Range(1, 1024));
  run.add_option("--memory", o.memory, "size of RAM, for instance 512M")
      ->transform(CLI::AsSizeValue(false))
      ->default_str("128M");
  add_doors(run, o);
  run.add_flag("--go", o.go, "run at once instead of stopping at the entry point");
  run.add_option("--append", o.append, "kernel command line");
  run.add_option("--initrd", o.initrd, "initial RAM disk")->check(CLI::ExistingFile);
  run.add_option("--irqchip", o.irqchip,
                 "kernel: PIC, IOAPIC, LAPIC and PIT; none: HLT ends a vCPU, and every vCPU starts "
                 "at the entry. Default: none for bare ELF images, else kernel")
      ->check(CLI::IsMember({"kernel", "none"}));
  run.add_option("--console", o.console,
                 "the guest's serial port (COM1, or arm64's PL011): stdio, pty, none or a file "
                 "name. Default: stdio, or none "
                 "with --listen stdio");
  run.add_option(
         "--kill", o.kill,
         "what gdb's kill does: detach (under extended-remote: hold for the next run), pause or "
         "poweroff")
      ->capture_default_str()
      ->check(CLI::IsMember({"detach", "pause", "poweroff"}));
  run.add_option(
         "--name", o.name,
         "what `kvmdbg list` and debuggers call this machine; default: the image's file name")
      ->check(check_name);
  run.add_option("--scratch", o.scratch,
                 "ADDRESS,BYTES of guest memory (virtual) that debuggers may use for the code and "
                 "data of expressions; default: none, so lldb calls no functions of the guest")
      ->delimiter(',')
      ->expected(2)
      ->allow_extra_args(false);
  run.add_option("--dump-folder", o.dump_folder,
                 "where `monitor dump NAME` writes; default: the working directory")
      ->check(CLI::ExistingDirectory);
  run.add_option("--trace", o.trace, "write packets, events and ioctls to this file, as text");
  run.footer(footer);
}

void add_platform(CLI::App& command, PlatformOptions& o) {
  command
      .add_option("--listen", o.listen,
                  "HOST:PORT or unix:PATH; repeatable; default 127.0.0.1:1235")
      ->allow_extra_args(false);
  command.add_flag(
      "--allow-remote", o.allow_remote,
      "listen on addresses that other machines reach: whoever connects owns the guests");
  command.add_flag("--any-user", o.any_user, any_user_text);
}

void add_dump(CLI::App& command, DumpOptions& o) {
  command.add_option("--connect", o.connect, "where the server listens: HOST:PORT or unix:PATH")
      ->default_val("127.0.0.1:1234");
  command
      .add_option("FILE", o.file,
                  "the core file, for gdb, crash and drgn; it appears when it is whole")
      ->required();
  command.add_flag("--force", o.force, "replace FILE if it exists");
}

} // namespace

std::string_view version() {
  return KVMDBG_VERSION;
}

std::variant<Options, int> parse_options(int argc, const char* const* argv) {
  CLI::App app{"kvmdbg: debug whatever runs under KVM, from gdb and lldb", "kvmdbg"};
  app.set_version_flag("--version", "kvmdbg " + std::string(version()));
  app.require_subcommand(1);
  app.footer(footer);
  RunOptions run;
  ProbeOptions probe;
  DumpOptions dump;
  ListOptions list;
  PlatformOptions platform;
  CLI::App* run_command =
      app.add_subcommand("run", "run a guest in the built-in machine and serve debuggers");
  add_run(*run_command, run);
  CLI::App* list_command = app.add_subcommand("list", "list the machines that you run");
  list_command->add_flag("--json", list.json, "machine-readable output");
  CLI::App* platform_command = app.add_subcommand(
      "platform", "serve debuggers that choose a machine of yours: lldb's platform, gdb's attach");
  add_platform(*platform_command, platform);
  CLI::App* probe_command =
      app.add_subcommand("probe", "show what this host's KVM advertises, and what works");
  probe_command->add_flag("--json", probe.json, "machine-readable output");
  CLI::App* dump_command = app.add_subcommand(
      "dump", "write a stopped guest's physical memory and registers to an ELF core file");
  add_dump(*dump_command, dump);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? exit_done : exit_usage;
  }
  if (platform.listen.empty()) platform.listen.emplace_back("127.0.0.1:1235");
  if (run.name.empty()) run.name = run.image.substr(run.image.rfind('/') + 1);
  if (!run.scratch.empty() && run.scratch[0] + run.scratch[1] < run.scratch[0]) {
    std::fputs("--scratch: the region goes beyond the address space\n", stderr);
    return exit_usage;
  }
  if (run.listen.empty()) run.listen.emplace_back("127.0.0.1:1234");
  const bool on_stdio =
      std::find(run.listen.begin(), run.listen.end(), "stdio") != run.listen.end();
  if (on_stdio && run.console == "stdio") {
    std::fputs("--console stdio and --listen stdio both want standard input and output: send the "
               "console to pty, none or a file\n",
               stderr);
    return exit_usage;
  }
  if (run.console.empty()) run.console = on_stdio ? "none" : "stdio";
  if (run_command->parsed()) return Options{run};
  if (list_command->parsed()) return Options{list};
  if (platform_command->parsed()) return Options{platform};
  if (dump_command->parsed()) return Options{dump};
  return Options{probe};
}

} // namespace kdbg::server
