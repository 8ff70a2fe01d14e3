#pragma once
/// A vCPU of an architecture whose KVM has breakpoint instructions and no other means of debugging
/// (LoongArch, RISC-V): its registers by KVM_GET_ONE_REG and the plan it can be armed with. Knows
/// no encoding and no register.
#include "kvm/arch.hpp"

#include <array>
#include <map>

namespace kdbg::kvm {

/// struct kvm_guest_debug where its architecture's part is empty. That part has a size of 0 in C
/// and of 1 in C++, so the structure is ours and the number, which holds its size, is spelled out.
struct PlainGuestDebug {
  std::uint32_t control = 0, pad = 0;
};
static_assert(sizeof(PlainGuestDebug) == 8);
inline constexpr unsigned long set_plain_guest_debug = 0x4008ae9b;
inline constexpr std::uint32_t plain_debug_enable = 1u << 0, plain_debug_single_step = 1u << 1,
                               plain_debug_use_sw_bp = 1u << 16;

/// Where a register's value is.
struct Source {
  static constexpr std::uint64_t none = 0; ///< it reads as zero, and takes nothing else
  std::uint64_t id = none;                 ///< for KVM_GET_ONE_REG, or the architecture's own
  std::uint8_t shift = 0, bits = 64;       ///< of the value there; up to 64 bits
};

/// An architecture's registers, filled in the order of their numbers.
template <std::size_t count>
struct SoftRegisters {
  std::array<RegisterInfo, count> info{};
  std::array<Source, count> source{};
  std::size_t filled = 0;

  constexpr void add(const RegisterInfo& one, const Source& where) {
    info[filled] = one;
    source[filled++] = where;
  }
};

class SoftCpu : public Cpu {
public:
  /// `sources`: one for each register of `info`. `walked_by`: what pc and translate need.
  SoftCpu(Vcpu& vcpu,
          GuestMemory& memory,
          const ArchInfo& info,
          std::span<const Source> sources,
          std::span<const std::uint64_t> walked_by)
      : vcpu_(vcpu), memory_(memory), info_(info), sources_(sources), walked_by_(walked_by) {}

  bool registers_at_hand() const override;
  bool at_hand(RegisterId id) const override;
  void exited() override;
  Result<GuestVirt> pc() override;
  Result<Bytes> read(RegisterId id) override;
  Status write(RegisterId id, ByteView value) override;
  bool may_wait() const override { return may_wait_; }
  Result<bool> waiting() override;
  Result<bool> waits_for_ever() override { return waiting(); }
  Status arm(const DebugPlan& plan) override;
  /// Nothing is left behind: the temporaries are in no register.
  Result<bool> end_step() override { return true; }
  Result<bool> step_progressed() override;
  Result<std::optional<Trap>> decode_exit() override;

protected:
  /// Through the cache, which lasts until the vCPU has run.
  Result<std::uint64_t> get(std::uint64_t id);
  /// At once: nothing is left to be handed over when the vCPU is armed.
  Status set(std::uint64_t id, std::uint64_t value);
  bool known(std::uint64_t id) const { return known_.contains(id); }
  /// Past the cache; an architecture adds what is not one of KVM's single registers.
  virtual Result<std::uint64_t> fetch(std::uint64_t id);
  virtual Status store(std::uint64_t id, std::uint64_t value);
  /// Up to `length` bytes at a virtual address: fewer before a hole.
  Result<Bytes> code_at(std::uint64_t at, std::size_t length);
  /// A step that ends at `next`. Where no code is yet, the fault ends it, at `handler`.
  Result<StepPlan> end_at(std::uint64_t next, std::uint64_t handler);
  void step_begins(std::uint64_t pc) { stepped_from_ = pc; }

  Vcpu& vcpu_;
  GuestMemory& memory_;
  const ArchInfo& info_;

private:
  Source source(RegisterId id) const { return sources_[index(id)]; }
  std::span<const Source> sources_;
  std::span<const std::uint64_t> walked_by_;
  std::map<std::uint64_t, std::uint64_t> known_;
  std::optional<std::uint32_t> armed_ = 0; ///< control; nothing: not known, so set it
  bool may_wait_ = true;
  std::uint64_t stepped_from_ = 0;
};

} // namespace kdbg::kvm
