#pragma once
/// What one connection has agreed on and selected, which every packet handler may read and change.
/// Reset with the connection; knows no framing.
#include "adapter/dumps.hpp"
#include "adapter/session.hpp"
#include "protocols/gdb/packet_table.hpp"
#include "protocols/gdb/scratch.hpp"

#include <map>

namespace kdbg::gdb {

/// What a client's kill does. LLDB 19 sends `k` on a plain quit, so detach is the safe one.
enum class KillPolicy : std::uint8_t { detach, pause, poweroff };

/// Taken for the machine's process id as well: what QEMU's stub calls it, and scripts therefore
/// say.
inline constexpr std::uint64_t customary_process = 1;

/// What the server tells of itself and its machine, the same to every client.
struct Settings {
  KillPolicy kill = KillPolicy::detach;
  std::uint64_t process = 1;          ///< the machine is one process, with this id
  std::string name = "guest";         ///< of that process
  bool linux_guest = false;           ///< the image is a Linux kernel's: lldb then takes it as such
  std::string version = "0";          ///< of the server
  std::shared_ptr<Scratch> scratch{}; ///< memory that clients may use (`_M`); null: none
};

/// What the client said in qSupported.
struct Features {
  bool multiprocess = false;
  bool swbreak = false;
  bool hwbreak = false;
  bool error_text = false; ///< takes E.text
  // lldb's
  bool lldb = false;          ///< takes lldb's stop replies
  bool error_strings = false; ///< takes Enn;text
};

/// Registers that a client wants back later.
struct SavedRegisters {
  VcpuId vcpu{};
  std::vector<std::pair<RegisterId, Bytes>> values;
};

/// What a thread id names.
struct ThreadRef {
  enum class Kind : std::uint8_t { any, all, one };
  Kind kind = Kind::any;
  VcpuId vcpu{}; ///< for one
};

/// What a protocol on this wire format is made of; lldb's adds tables and says more at a stop.
struct Dialect {
  std::span<const Table> tables;
  std::string (*render_stop)(const Conversation& conversation, const Stop& stop);
  /// The answer to a resume that did not happen.
  Answer (*refuse_resume)(Conversation& conversation, const Error& error);
};

struct Conversation {
  Session& session;
  const Dialect& dialect;
  Settings settings{};
  /// Sends console output (O packets) ahead of the answer.
  std::function<void(std::string_view)> print;
  /// Sends the answer that a handler held back (`say_nothing`), and what was printed since.
  std::function<void(const std::optional<std::string>&)> answer_late;
  Features features{};
  bool acks = true;
  bool extended = false;        ///< `!`: stays when the program is killed or has ended
  bool bare_x = false;          ///< replies to x carry no 'b': LLDB 19
  bool physical = false;        ///< addresses are guest-physical, as QEMU's PhyMemMode
  VcpuId general{};             ///< Hg: whose registers and memory
  ThreadRef moving{};           ///< Hc: whom c and s move
  std::uint32_t subscribed = 0; ///< jkvm::Subscription
  bool stop_owed = false;       ///< the client has been told "running"
  /// Epoch of the latest stop that it knows of; none before it has asked.
  std::optional<std::uint64_t> told{};
  /// Epoch of a stop that it knows of for those vCPUs only that it wanted to move.
  std::optional<std::uint64_t> told_as_step{};
  std::optional<int> gone{}; ///< exit status once the run is over
  /// What stopped together with what was told: other vCPUs, further watches of the same one. A
  /// reply names one, so each of these is told at the resume that would move it, as gdbserver does.
  std::vector<VcpuStop> untold{};
  std::unique_ptr<Dumps::Job> dump{};              ///< `monitor dump`, whose answer is still owed
  std::map<std::uint64_t, SavedRegisters> saved{}; ///< by the number that the client was given
  ScratchShare scratch{settings.scratch};          ///< what it has taken of it

  std::map<std::string, std::uint64_t> symbols{}; ///< what the client knows of those wanted
  std::size_t symbols_asked = 0;                  ///< of wanted_symbols()

  const Target& target() const { return session.target(); }
  /// Others have moved the guest, or reset it, since this client was last told where it is.
  bool behind() const { return told && *told != target().stop().epoch; }
  void caught_up() { told = target().stop().epoch; }
  /// A stop reply; the vCPU it names is the selected one from then on, as with gdbserver.
  std::string tell(const Stop& stop);
  /// A vCPU that is sent elsewhere has left the execution points it has yet to tell of.
  Status write_register(VcpuId vcpu, RegisterId id, const Bytes& value);
  Address address(std::uint64_t value) const {
    return {value, {physical ? Space::Kind::physical : Space::Kind::current}};
  }
};

/// p1.2, 2, p1.-1, -1, p1, 0; no_such_vcpu for what does not exist.
Result<ThreadRef> parse_thread(const Conversation& conversation, std::string_view text);
/// 2, or p1.2 when the client takes process ids.
std::string render_thread(const Conversation& conversation, VcpuId vcpu);
/// E NN, or E.text when the client takes it.
std::string render_error(const Features& features, const Error& error);

} // namespace kdbg::gdb
