#pragma once
/// What makes the built-in machine one of a CPU family: where its memory lies, its interrupt
/// controllers and devices, how a vCPU is made and where it begins. Its state is a value, taken
/// before the first instruction, to which a reset returns. Knows no engine and no thread.
#include "adapter/stop.hpp"
#include "kvm/arch.hpp"
#include "kvm/machine/image.hpp"

#include <chrono>

namespace kdbg::kvm {

struct MachineOptions {
  std::size_t vcpus = 1;
  std::uint64_t memory = 0; ///< bytes
  bool irqchip = false;     ///< interrupt controllers in the kernel; without, x86's HLT ends a vCPU
};

/// What comes with an image.
struct BootFiles {
  ByteView initrd;
  std::string command_line;
  std::string image_name = {}, initrd_name = {}; ///< multiboot passes them on
};

/// Where things go that leave the machine. Called on any thread.
struct Outlets {
  std::function<void(std::byte)> console;
  std::function<void(std::function<void()>)> post;
  /// What firmware writes to port 0x402; empty: the port is not there.
  std::function<void(std::byte)> debug_console = {};
};

/// What a board is made from; all outlives it.
struct BoardParts {
  Kernel& kernel;
  const HostFacts& facts;
  const MachineOptions& options;
  const Image& image;
  const BootFiles& files;
  /// To the guest's console, and to firmware's log where there is one.
  std::function<void(std::byte)> console, debug_console;
};

/// Calls are made on the strand before and between runs, but for those that say otherwise.
class Board {
public:
  virtual ~Board() = default;

  struct Region {
    std::uint64_t start = 0, size = 0;
    bool rom = false;
  };
  /// RAM and ROM: sorted, disjoint, whole pages of 4 KiB.
  virtual Result<std::vector<Region>> memory() const = 0;
  /// KVM_CREATE_VM's argument.
  virtual Result<unsigned long> vm_type(Fd kvm) = 0;
  /// Before the first vCPU.
  virtual Status begin(Fd kvm, Fd vm) = 0;
  virtual Status add_vcpu(Vcpu& vcpu) = 0;
  /// After the last one.
  virtual Status complete() = 0;

  /// The state to which `restore` returns: the VM's, and each vCPU's on its own thread.
  virtual Status save() = 0;
  virtual Status save(Vcpu& vcpu) = 0;
  virtual Status restore() = 0;
  virtual Status restore(Vcpu& vcpu) = 0;

  /// The image and all boot data into RAM, which is zero.
  virtual Status load(Ram& ram) = 0;
  /// The vCPU's registers at the entry point, on its own thread.
  virtual Status enter(Vcpu& vcpu) = 0;

  /// Serves an exit, on the vCPU's own thread. A reason: the guest cannot or must not go on.
  virtual std::optional<StopReason> serve(Vcpu& vcpu) = 0;
  /// Bytes for the guest's console. Any thread.
  virtual void receive(ByteView data) = 0;

  /// The guest's clocks go back by a pause it must not notice: the VM's, and each vCPU's on its own
  /// thread. Best effort: a KVM without the means leaves a guest that sees time jump.
  virtual void turn_back(std::chrono::nanoseconds pause) = 0;
  virtual void turn_back(Vcpu& vcpu, std::chrono::nanoseconds pause) = 0;
};

/// For images of this ELF machine.
Result<std::unique_ptr<Board>> make_board(std::uint16_t elf_machine, BoardParts parts);

} // namespace kdbg::kvm
