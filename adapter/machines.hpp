#pragma once
/// The machines that this user runs on this host, as a platform's protocol needs them. Knows
/// neither files nor sockets.
#include "adapter/result.hpp"
#include "adapter/types.hpp"

#include <functional>
#include <memory>

namespace kdbg {

/// What a machine says of itself for as long as it lives.
struct MachineRecord {
  std::uint64_t pid = 0;
  std::uint64_t born =
      0; ///< when the process started, in ticks since boot: no other with its id has it
  std::string name;
  std::string image;  ///< absolute path
  std::string triple; ///< of the guest: x86_64-unknown-unknown
  std::vector<std::string> listen{};
  std::uint64_t started = 0; ///< seconds since 1970
};

/// Whom a process belongs to, as /proc has it.
struct ProcessOwner {
  std::uint64_t parent = 0, uid = 0, gid = 0, euid = 0, egid = 0;
};

struct MachineInfo {
  MachineRecord record;
  ProcessOwner owner;
  std::string state{}; ///< "running", "stopped: at entry", "no answer"
};

class Machines {
public:
  virtual ~Machines() = default;

  /// A question on its way; destroying it takes it back.
  class Question {
  public:
    virtual ~Question() = default;
  };
  using Listed = std::function<void(std::vector<MachineInfo>)>;
  /// Asks every machine what it does, all at once, and no longer than half a second. That neither
  /// stops nor disturbs any. `listed` is called later, with the machines in the order of their ids;
  /// it may destroy the question.
  virtual std::unique_ptr<Question> list(Listed listed) = 0;

  /// A machine that lives, without its state; no_such_vcpu for an id that is none of this user's.
  virtual Result<MachineInfo> find(std::uint64_t pid) = 0;

  /// Asks it to end, as Ctrl-C in its terminal does.
  virtual Status end(std::uint64_t pid) = 0;

  /// A debugger's connection to a machine; destroying it hangs up, and nothing is told after that.
  class Link {
  public:
    virtual ~Link() = default;
    virtual void send(std::string bytes) = 0;
  };
  struct Listener {
    std::function<void(ByteView)> received;
    std::function<void(std::string_view why)> lost; ///< once; it may destroy the link
  };
  virtual Result<std::unique_ptr<Link>> connect(std::uint64_t pid, Listener listener) = 0;

  /// The name of a user or group, if it has one.
  virtual std::optional<std::string> user_name(std::uint64_t uid) = 0;
  virtual std::optional<std::string> group_name(std::uint64_t gid) = 0;
};

} // namespace kdbg
