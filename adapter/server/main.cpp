// Wires everything together: the only file that sees every folder.
#include "adapter/server/console.hpp"
#include "adapter/server/console_feed.hpp"
#include "adapter/server/dial.hpp"
#include "adapter/server/dump.hpp"
#include "adapter/server/dump_folder.hpp"
#include "adapter/server/files.hpp"
#include "adapter/server/gateway/dap_program.hpp"
#include "adapter/server/options.hpp"
#include "adapter/server/platform_command.hpp"
#include "adapter/server/probe_command.hpp"
#include "adapter/server/process.hpp"
#include "adapter/server/run_folder.hpp"
#include "adapter/server/server.hpp"
#include "kvm/arch/family.hpp"
#include "kvm/engine.hpp"
#include "kvm/facts.hpp"
#include "kvm/machine/machine.hpp"
#include "protocols/gdb/remote.hpp"
#include "protocols/gdb/scratch.hpp"
#include "protocols/lldb/protocol.hpp"
#include "protocols/state/protocol.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fmt/format.h>
#include <malloc.h>
#include <unistd.h>

namespace kdbg::server {
namespace {

/// Whoever reads this may have left (a gdb that started us); that ends nothing.
void say(std::string_view text) {
  std::fputs(fmt::format("kvmdbg: {}\n", text).c_str(), stderr);
}

int fail(const Error& error, ExitCode code) {
  say(error.what);
  return code;
}

gdb::KillPolicy kill_policy(const std::string& word) {
  if (word == "pause") return gdb::KillPolicy::pause;
  return word == "poweroff" ? gdb::KillPolicy::poweroff : gdb::KillPolicy::detach;
}

kvm::ImageFormat format_of(const RunOptions& options) {
  if (options.flat) return kvm::FlatAt{*options.flat};
  if (options.firmware) return kvm::Firmware{};
  return kvm::ByContent{};
}

/// The guest cannot go on by itself: the person at the terminal should hear of it.
bool came_to_an_end(const Stop& stop) {
  const auto& reasons = stop.vcpus.front().reasons;
  return std::any_of(reasons.begin(), reasons.end(), [](const StopReason& r) {
    return std::holds_alternative<Crashed>(r) || std::holds_alternative<Halted>(r) ||
           std::holds_alternative<PoweredOff>(r);
  });
}

Role role_at(std::string_view address) {
  return address.ends_with(",observe") ? Role::observe : Role::control;
}

class Run {
public:
  explicit Run(const RunOptions& options)
      : options_(options), signals_(io_, SIGINT, SIGTERM), dumps_(io_, options.dump_folder) {}

  Result<int> operator()() {
    TRY(prepare());
    TRY(listen());
    signals_.async_wait([this](boost::system::error_code error, int signal) {
      if (!error) finish(128 + signal);
    });
    if (options_.go) {
      TRY(engine_->resume(Resume{std::vector<Motion>(engine_->vcpu_count(), Motion::run)}));
    }
    look_now_and_then();
    io_.run();
    return status_;
  }
  ExitCode failure() const { return failure_; }
  ~Run() {
    if (server_) server_->close_all();
    if (machine_) machine_->quiesce();
  }

private:
  Status prepare() {
    if (!options_.trace.empty()) {
      std::FILE* file = std::fopen(options_.trace.c_str(), "we");
      if (file == nullptr) {
        return Error{Code::bad_request, "cannot open the trace file " + options_.trace};
      }
      trace_ = std::make_unique<Trace>(file);
      kernel_ = kvm::make_linux_kernel([this](unsigned long request, int answer) {
        trace_->note(fmt::format("ioctl {:#x} = {}", request, answer));
      });
    } else {
      kernel_ = kvm::make_linux_kernel();
    }
    failure_ = exit_no_kvm;
    const kvm::Family& family = *TRY(kvm::host_family());
    failure_ = exit_failed;
    file_ = TRY(read_file(options_.image));
    image_ = TRY(kvm::parse_image(file_, format_of(options_), family.elf_machine));
    if (!options_.initrd.empty()) initrd_ = TRY(read_file(options_.initrd));
    files_ = {initrd_, options_.append, options_.image, options_.initrd};
    if (!options_.debug_port.empty() && family.elf_machine != kvm::machine_x86_64) {
      return Error{Code::bad_request, "--debug-port: only x86 has ports"};
    }
    if (!options_.debug_port.empty()) debug_port_ = TRY(Console::open(io_, options_.debug_port));
    failure_ = exit_no_kvm;
    facts_ = TRY(family.probe(*kernel_));
    arch_ = family.make(facts_);
    failure_ = exit_failed;
    console_ = TRY(Console::open(io_, options_.console));
    const bool irqchip = options_.irqchip.empty() ? kvm::wants_interrupts(image_.entry_kind)
                                                  : options_.irqchip == "kernel";
    machine_ = TRY(kvm::Machine::create(
        *kernel_, *arch_, facts_, {options_.cpus, options_.memory, irqchip}, image_, files_,
        {[this](std::byte b) {
           console_->put(b);
           feed_.put(b);
         },
         [this](std::function<void()> work) { boost::asio::post(io_, std::move(work)); },
         debug_outlet()}));
    engine_ = std::make_unique<kvm::Engine>(*machine_, *arch_, facts_,
                                            [this](const Event& event) { on_event(event); });
    machine_->attach(*engine_);
    console_->on_input([this](ByteView keys) { machine_->console_input(keys); });
    arbiter_ = std::make_unique<Arbiter>(*engine_, *trace_);
    if (!options_.audit.empty()) {
      audit_ = Audit(TRY(open_audit(options_.audit)));
      arbiter_->keep_audit(audit_);
    }
    return Done{};
  }

  Status listen() {
    Settings settings;
    settings.allow_remote = options_.allow_remote;
    settings.any_user = options_.any_user;
    tokens_ = TRY(Tokens::draw());
    server_ = std::make_unique<Server>(
        io_, *engine_, *arbiter_, *trace_,
        std::vector<Protocol>{lldb::protocol(presentation()), state::protocol()}, say, settings,
        &dumps_, gateway());
    server_->on_clients_changed([this](std::size_t count) {
      clients_ = count;
      if (const auto status = powered_off(engine_->stop());
          status && count == 0 && !engine_->running()) {
        finish(*status);
      }
    });
    for (const std::string& note : facts_.notes) {
      say("note: " + note);
    }
    if (!console_->notice().empty()) say(console_->notice());
    server_->on_deserted([this] { finish(exit_done); });
    std::vector<std::string> places;
    for (const std::string& address : options_.listen) {
      const std::string where = TRY(server_->listen(address));
      places.push_back(where);
      show_place(address, where);
    }
    if (auto found = announce(std::move(places)); !found) {
      say("note: kvmdbg list and platform will not find this machine, and no file has its "
          "tokens: " +
          found.error().what);
    }
    return Done{};
  }

  /// What people need to come there.
  void show_place(std::string_view address, const std::string& where) {
    const Role role = role_at(address);
    say(fmt::format("{}, listening on {}{}", options_.go ? "running" : "stopped at the entry point",
                    where, role == Role::observe ? ", to look only" : ""));
    if (address == "stdio") {
      ignore_interrupts();
      if (options_.console == "none") say("  the guest's console: monitor console");
      return;
    }
    const bool local = where.starts_with("unix:");
    say(fmt::format("  gdb {} -ex 'target remote {}'", options_.image,
                    local ? where.substr(5) : where));
    // in a terminal, not in a log that others may read
    if (!local && ::isatty(STDERR_FILENO) != 0) {
      say(fmt::format("  http://{}/#t={}", where, tokens_.of(role)));
    }
  }

  /// A machine that is not found serves debuggers all the same.
  Status announce(std::vector<std::string> places) {
    const RunFolder folder = TRY(RunFolder::open());
    folder.sweep(); // also what a dead process with our id has left
    const auto pid = static_cast<std::uint64_t>(::getpid());
    const Process self = TRY(look_at_process(pid));
    TRY(server_->listen_aside("unix:" + folder.socket_of(pid)));
    token_files_ = TRY(folder.add_tokens(pid, tokens_));
    say(fmt::format("  WebSockets: the token is in {}; to look only, {}",
                    token_files_.control->path(), token_files_.observe->path()));
    std::error_code error;
    const auto image = std::filesystem::absolute(options_.image, error);
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    record_ = TRY(folder.add({.pid = pid,
                              .born = self.born,
                              .name = options_.name,
                              .image = image.string(),
                              .triple = triple(),
                              .listen = std::move(places),
                              .started = static_cast<std::uint64_t>(
                                  std::chrono::duration_cast<std::chrono::seconds>(now).count())}));
    return Done{};
  }

  GatewaySettings gateway() const {
    GatewaySettings out;
    out.tokens = tokens_;
    out.origins = options_.origins;
    out.dap = options_.dap;
    out.max_workers = options_.max_workers;
    out.worker_patience = std::chrono::seconds(options_.worker_timeout);
    out.worker_arguments = worker_arguments(options_.roots, options_.image);
    return out;
  }

  /// As the debuggers' packets have it.
  std::string triple() const {
    const ArchInfo& arch = arch_->info();
    return kvm::is_linux(image_) ? fmt::format("{}-unknown-linux-gnu", arch.name)
                                 : std::string(arch.triple);
  }

  /// What clients are told of us.
  gdb::Settings presentation() const {
    gdb::Settings out;
    out.kill = kill_policy(options_.kill);
    out.process = static_cast<std::uint64_t>(::getpid());
    out.name = options_.name;
    out.linux_guest = kvm::is_linux(image_);
    out.version = version();
    if (!options_.scratch.empty()) {
      out.scratch = std::make_shared<gdb::Scratch>(options_.scratch[0], options_.scratch[1]);
    }
    return out;
  }

  std::function<void(std::byte)> debug_outlet() {
    if (!debug_port_) return {};
    return [this](std::byte b) { debug_port_->put(b); };
  }

  /// Ctrl-C is for the debugger whose terminal we may share; it tells us by itself.
  void ignore_interrupts() {
    signals_.remove(SIGINT);
    std::signal(SIGINT, SIG_IGN);
  }

  /// Often enough that a point is in place soon after its page is; ten times less often for a guest
  /// that may sleep for ever, since that pauses it.
  void look_now_and_then() {
    constexpr std::chrono::milliseconds period{50};
    constexpr unsigned seldom = 10;
    timer_.expires_after(period);
    timer_.async_wait([this](boost::system::error_code error) {
      if (error) return;
      engine_->look(++looks_ % seldom == 0 && machine_->idle());
      look_now_and_then();
    });
  }

  void on_event(const Event& event) {
    arbiter_->publish(event);
    if (const auto* gone = std::get_if<Gone>(&event)) return finish(gone->status);
    const auto* stopped = std::get_if<Stopped>(&event);
    if (stopped == nullptr) return;
    const auto off = powered_off(stopped->stop);
    if (off && clients_ == 0) return finish(*off);
    if (came_to_an_end(stopped->stop)) {
      say(fmt::format("vCPU {}: {}", index(stopped->stop.vcpus.front().vcpu),
                      describe(stopped->stop.vcpus.front().reasons.front())));
    }
  }

  /// Lets what was just sent to clients leave first.
  void finish(int status) {
    if (std::exchange(ending_, true)) return;
    status_ = status;
    boost::asio::post(io_, [this] {
      server_->close_all();
      boost::asio::post(io_, [this] { io_.stop(); });
    });
  }

  const RunOptions& options_;
  boost::asio::io_context io_{1};
  boost::asio::signal_set signals_;
  boost::asio::steady_timer timer_{io_};
  ConsoleFeed feed_{io_,
                    [this](std::string text) { arbiter_->tell(ConsoleOutput{std::move(text)}); }};
  DumpFolder dumps_;
  std::unique_ptr<Trace> trace_ = std::make_unique<Trace>();
  std::unique_ptr<kvm::Kernel> kernel_;
  kvm::HostFacts facts_;
  std::unique_ptr<const kvm::Arch> arch_;
  Bytes file_, initrd_;
  kvm::Image image_;
  kvm::BootFiles files_;
  std::unique_ptr<Console> console_, debug_port_;
  std::unique_ptr<kvm::Machine> machine_;
  std::unique_ptr<kvm::Engine> engine_;
  Audit audit_;
  std::unique_ptr<Arbiter> arbiter_;
  std::unique_ptr<Server> server_;
  Tokens tokens_;
  RunFolder::TokenFiles token_files_;
  std::unique_ptr<RunFolder::Entry> record_;
  std::size_t clients_ = 0;
  unsigned looks_ = 0;
  int status_ = exit_done;
  bool ending_ = false;
  ExitCode failure_ = exit_failed; ///< what an error now means to whoever started us
};

/// The machines of a platform are of this host's CPU family.
Result<int> show_platform(const PlatformOptions& options) {
  const kvm::Family& family = *TRY(kvm::host_family());
  return serve_platform(options, family.machine, family.elf_machine != kvm::machine_x86_64, say);
}

Result<std::string> dump_remote(const DumpOptions& options) {
  boost::asio::io_context io;
  boost::asio::signal_set signals(io, SIGINT, SIGTERM);
  bool interrupted = false;
  signals.async_wait([&](boost::system::error_code, int) { interrupted = true; });
  const auto dial = TRY(Dial::connect(options.connect));
  gdb::Remote remote(
      {[&](ByteView bytes) { return dial->send(bytes); }, [&] { return dial->receive(); }});
  TRY(remote.open());
  const DumpSource source{
      [&] { return remote.core_header(); }, [&] { return remote.stop_number(); },
      [&](std::uint64_t at, std::size_t length) { return remote.read_physical(at, length); }};
  return write_dump(options, source, [&] {
    io.poll();
    return interrupted;
  });
}

int print(const Result<std::string>& text, ExitCode failure) {
  if (!text) return fail(text.error(), failure);
  fmt::print("{}", *text);
  return exit_done;
}

int main_with(const Options& options) {
  if (const auto* probe = std::get_if<ProbeOptions>(&options)) {
    return print(probe_host(*probe), exit_no_kvm);
  }
  if (const auto* list = std::get_if<ListOptions>(&options)) {
    return print(list_machines(*list), exit_failed);
  }
  if (const auto* platform = std::get_if<PlatformOptions>(&options)) {
    const auto status = show_platform(*platform);
    return status ? *status : fail(status.error(), exit_failed);
  }
  if (const auto* dump = std::get_if<DumpOptions>(&options)) {
    const auto outcome = dump_remote(*dump);
    say(outcome ? *outcome : outcome.error().what);
    return outcome ? exit_done : exit_failed;
  }
  Run run(std::get<RunOptions>(options));
  auto status = run();
  return status ? *status : fail(status.error(), run.failure());
}

} // namespace
} // namespace kdbg::server

namespace {

/// Answers of 128 KiB come and go all the time: their memory is kept instead of being mapped, and
/// faulted in, anew for each.
void keep_large_blocks() {
  constexpr int largest = 4 << 20, kept = 16 << 20; // bytes
  // there is no other thread yet
  ::mallopt(M_MMAP_THRESHOLD, largest); // NOLINT(concurrency-mt-unsafe)
  ::mallopt(M_TRIM_THRESHOLD, kept);    // NOLINT(concurrency-mt-unsafe)
}

} // namespace

int main(int argc, char** argv) try {
  keep_large_blocks();
  std::signal(SIGXFSZ, SIG_IGN); // a file that grows too long is an error of its writer
  std::signal(SIGPIPE, SIG_IGN); // whoever reads the console may leave; the guest stays
  const auto options = kdbg::server::parse_options(argc, argv);
  if (const int* code = std::get_if<int>(&options)) return *code;
  return kdbg::server::main_with(std::get<kdbg::server::Options>(options));
} catch (const std::exception& error) { // out of memory, or a bug
  std::fprintf(stderr, "kvmdbg: %s\n", error.what());
  return kdbg::server::exit_failed;
}
