#pragma once
/// What an architecture must supply: one Cpu per vCPU, and the values that pass between it and
/// the engine. Knows no client and no thread.
#include "adapter/registers.hpp"
#include "adapter/stop.hpp"
#include "adapter/target.hpp"
#include "kvm/memory.hpp"
#include "kvm/vcpu.hpp"

#include <array>

namespace kdbg::kvm {

/// One debug-register pair. `length` in bytes, as Arch::split_watch cuts it; a hardware (execution)
/// slot has length 1.
struct Slot {
  std::uint64_t address = 0; ///< linear
  std::uint64_t length = 1;
  PointKind kind = PointKind::hardware;
  auto operator<=>(const Slot&) const = default;
};

inline constexpr std::size_t max_slots = 32; // arm64 has up to 16 of either kind, x86 has 4

/// Everything KVM_SET_GUEST_DEBUG should say for one vCPU. Built whole before each run, so no
/// incremental state can drift.
struct DebugPlan {
  bool step = false;
  bool software = false;         ///< breakpoint instructions exit
  bool block_interrupts = false; ///< while stepping (KVM_GUESTDBG_BLOCKIRQ)
  std::array<std::optional<Slot>, max_slots> slots{};
  bool operator==(const DebugPlan&) const = default;
};

/// Where the guest CPU's state components beyond AVX stand in its XSAVE area, in bytes from its
/// start (x86: CPUID 0xD); 0 for what it has not.
struct XsaveLayout {
  std::uint32_t bytes = 4096; ///< size of the whole area, as KVM moves it
  std::uint32_t opmask = 0, zmm_high = 0, zmm_upper = 0; ///< AVX-512's three
  std::uint32_t pkru = 0;
  bool avx512() const { return opmask != 0 && zmm_high != 0 && zmm_upper != 0; }
};

/// What this host's KVM says and what it does: found out by running small guests (probe.cpp),
/// since what is advertised does not always work.
struct HostFacts {
  // advertised
  bool guest_debug = false;
  std::uint32_t debug_flags = 0; ///< KVM_CAP_SET_GUEST_DEBUG2; 0 on an old kernel
  bool sync_registers = false;
  bool exception_payload = false;
  bool readonly_memory = false;
  XsaveLayout xsave; ///< of the CPU that guests get
  // works
  bool single_step = false;
  bool hardware_exec = false;
  bool data_watch = false;
  bool breakpoint_exit = false; ///< a breakpoint instruction exits: KVM_EXIT_DEBUG, pc at it
  /// It exits as KVM_EXIT_INTERNAL_ERROR with pc at it (x86; not in real mode).
  bool breakpoint_internal_error = false;
  bool block_interrupts = false;
  bool write_protect = false;               ///< a write to a read-only memory slot exits, undone
  bool register_exits = false;              ///< accesses to chosen MSRs exit
  std::uint64_t hypercall_exits = 0;        ///< bit n: hypercall n can exit
  unsigned exec_slots = 0, watch_slots = 0; ///< where the CPU decides (arm64)
  std::uint32_t breakpoint_word = 0; ///< the breakpoint instruction, where KVM decides (LoongArch)
  bool sve = false;                  ///< guests have SVE (arm64)
  std::uint16_t sve_bytes = 0;       ///< of their vectors, at most
  bool soft_step = false; ///< no single_step: a step ends at a temporary breakpoint instruction
  // quirks
  bool read_slots = false;   ///< a slot can stop at reads alone; x86's stop at writes as well
  bool watch_before = false; ///< a data watch stops before the access, which is still to be done
  bool rearm_step = true;    ///< SINGLESTEP must be set again before each step
  bool resume_flag_ignored = false; ///< a slot fires again at once unless it is disarmed
  bool breakpoint_pc_stays = false; ///< an injected #BP pushes the pc it finds: advance it first
  bool pushf_shows_trap_flag = false;
  bool out_step_squashed = false; ///< a stepped OUT completes without a debug exit
  bool mmio_step_squashed = false;
  /// An exit in the middle of a step leaves its trap to come at the next entry, before anything is
  /// done there: an emulated VMX does that.
  bool step_trap_lingers = false;
  bool emulated = false; ///< guest code runs in KVM's instruction emulator
  double loops_per_second = 0;
  double steps_per_second = 0;
  std::vector<std::string> notes; ///< what could not be found out, and why

  bool steps() const { return single_step || soft_step; }
};

/// What a debug exit says, told from our own plan.
struct Trap {
  bool stepped = false;    ///< the single step is done
  bool software = false;   ///< a breakpoint instruction at pc, ours or the guest's
  std::uint32_t slots = 0; ///< bit n: slot n of the plan
  bool guests = false;     ///< (also) something of the guest's own
};

/// A memory operand of an instruction.
struct Access {
  std::uint64_t address = 0; ///< linear
  std::uint64_t length = 0;
  bool reads = false, writes = false;
};

/// What must come out of KVM beside what always does. Ranges are sorted and disjoint.
struct Intercepts {
  struct Range {
    std::uint32_t first = 0, count = 0;
    auto operator<=>(const Range&) const = default;
  };
  std::vector<Range> registers; ///< x86: MSRs
  std::uint64_t hypercalls = 0; ///< bit n: number n
  bool operator==(const Intercepts&) const = default;
};
inline constexpr std::size_t max_register_ranges = 16; // KVM_MSR_FILTER_MAX_RANGES
inline constexpr std::uint32_t max_filtered = 0x3000;  // MSRs of one range: 0x600 bytes of bits

/// What the CPU left for the handler of an exception.
struct ExceptionFrame {
  std::uint64_t error = 0; ///< the error code; 0 where there is none
  std::string note;        ///< "address 0x1000"
};

/// How one instruction is stepped.
struct StepPlan {
  bool done = false; ///< the instruction was carried out without entering the guest
  /// Where the step ends, as linear addresses: when its trap would come too late a slot there stops
  /// it; with HostFacts::soft_step all have a breakpoint instruction while the vCPU runs alone.
  std::array<std::optional<std::uint64_t>, 4> ends{};
};

/// The page tables of a vCPU as they stood at one moment: good for walks while it runs.
class PageTables {
public:
  virtual ~PageTables() = default;
  /// With `levels`, for people.
  virtual Result<Translation> translate(Address at) const = 0;
  /// Bytes that the entry which ends a failing walk leaves unmapped: a power of two; the block of
  /// that size and alignment around `at` is a hole. At least 4096.
  virtual std::uint64_t hole(Address at) const = 0;
};

/// For `hole`: the largest block around an address that is not canonical (the bits above
/// `address_bits` do not repeat the topmost of them) in which none is.
constexpr std::uint64_t hole_outside(std::uint64_t address, unsigned address_bits) {
  std::uint64_t size = std::uint64_t{1} << (address_bits - 1);
  for (; size < std::uint64_t{1} << 63; size *= 2) {
    const std::uint64_t begin = address & ~(2 * size - 1);
    if (begin == 0 || begin + 2 * size == 0) break;
  }
  return size;
}

/// May an emulated instruction write there itself?
using WriteFilter = std::function<bool(GuestPhys at, std::size_t length)>;

/// One vCPU as its architecture sees it. Called on the vCPU's own thread; while that is parked,
/// also from elsewhere for what needs no ioctl (`registers_at_hand`).
class Cpu {
public:
  virtual ~Cpu() = default;

  /// pc, root, translate, page_tables and software_points_blocked need no ioctl now.
  virtual bool registers_at_hand() const = 0;
  /// The same of a read of this register.
  virtual bool at_hand(RegisterId id) const = 0;

  /// KVM_RUN returned: what was cached is stale.
  virtual void exited() = 0;
  virtual Result<GuestVirt> pc() = 0;
  virtual Result<Bytes> read(RegisterId id) = 0;
  virtual Status write(RegisterId id, ByteView value) = 0;
  /// Without `levels`: every step comes by here.
  virtual Result<Translation> translate(Address at) = 0;
  virtual Result<std::unique_ptr<PageTables>> page_tables() = 0;
  /// The page-table root in use, as a cache key.
  virtual Result<std::uint64_t> root() = 0;
  /// "long mode, ring 0".
  virtual std::string describe() = 0;
  /// Waits for an interrupt or start-up message: a step would not end. `may_wait` is the same
  /// without an ioctl, and errs to yes.
  virtual bool may_wait() const = 0;
  virtual Result<bool> waiting() = 0;
  /// Waits for what cannot come: halted with interrupts off, or never started.
  virtual Result<bool> waits_for_ever() = 0;
  /// Software breakpoints cannot stop this vCPU in its present mode.
  virtual Result<bool> software_points_blocked() { return false; }

  /// Makes KVM do as planned; no ioctl when it does already. Pending register writes and
  /// injections are handed over first.
  virtual Status arm(const DebugPlan& plan) = 0;
  /// Looks at the instruction at pc, before `arm` for a step of it.
  virtual Result<StepPlan> begin_step() = 0;
  /// Puts right what stepping left in the guest (trap flag in images on the stack, in r11, in
  /// exception frames). False while a repeated instruction is between two of its rounds.
  virtual Result<bool> end_step() = 0;
  /// Has anything moved since begin_step? For steps whose debug exit KVM swallows.
  virtual Result<bool> step_progressed() = 0;
  /// Carries out `code`, the instruction at pc, without entering the guest, where that is plain
  /// and leaves the guest as the CPU would. False: it is not, and nothing has happened.
  virtual Result<bool> emulate([[maybe_unused]] ByteView code,
                               [[maybe_unused]] const WriteFilter& may_write) {
    return false;
  }
  /// `code`, which is at the linear address `at`, as it would be run now.
  virtual Result<std::vector<CodeLine>> disassemble([[maybe_unused]] ByteView code,
                                                    [[maybe_unused]] std::uint64_t at) {
    return Error{Code::unsupported, "kvmdbg does not disassemble this architecture; gdb does"};
  }
  /// A debug exit told of a step, but the instruction is still to be done: KVM's emulator starts a
  /// locked one again when another vCPU was faster, and traps all the same.
  virtual Result<bool> step_lost() { return false; }
  /// Memory that the instruction at pc is about to touch.
  virtual Result<std::vector<Access>> accesses() = 0;

  /// Reads the present KVM_EXIT_DEBUG or KVM_EXIT_INTERNAL_ERROR. Nothing: not a trap.
  virtual Result<std::optional<Trap>> decode_exit() = 0;
  /// Does what a KVM_EXIT_X86_RDMSR or _WRMSR asks, in the exit.
  virtual Status serve_register_exit() {
    return Error{Code::unsupported,
                 "accesses to system registers do not exit on this architecture"};
  }
  /// Linear address at which the CPU goes on after this exception; memory_fault while the guest
  /// has set none up.
  virtual Result<GuestVirt> exception_entry([[maybe_unused]] unsigned vector) {
    return Error{Code::unsupported, "exceptions are not caught by number on this architecture"};
  }
  /// While the pc is there.
  virtual Result<ExceptionFrame> exception_frame([[maybe_unused]] unsigned vector) {
    return ExceptionFrame{};
  }
  /// Target's calls of these names.
  virtual Result<DescriptorList> descriptors([[maybe_unused]] TableKind table,
                                             [[maybe_unused]] std::uint64_t first,
                                             [[maybe_unused]] std::uint64_t count) {
    return Error{Code::unsupported, "this CPU family has no descriptor tables"};
  }
  virtual Result<std::uint64_t> read_msr([[maybe_unused]] std::uint32_t number) {
    return Error{Code::unsupported, "this CPU family has no MSRs by number"};
  }
  virtual Status change_msr([[maybe_unused]] std::uint32_t number,
                            [[maybe_unused]] std::uint64_t value) {
    return Error{Code::unsupported, "this CPU family has no MSRs by number"};
  }
  /// The trap is the guest's: it takes it at its next entry, as without us.
  virtual Status pass_to_guest(const Trap& trap) = 0;
};

inline constexpr std::size_t max_breakpoint = 4; // bytes of a breakpoint instruction

/// Slots of DebugPlan::slots.
struct SlotRange {
  unsigned first = 0, count = 0;
  bool holds(unsigned n) const { return n - first < count; }
};

/// One CPU family.
class Arch {
public:
  virtual ~Arch() = default;
  virtual const ArchInfo& info() const = 0;
  /// What stops a vCPU in place of the instruction that begins with `code` (at most
  /// `max_breakpoint` bytes); as long as that, or shorter. Empty: nothing fits there.
  virtual ByteView breakpoint_instruction(ByteView code) const = 0;
  /// int3, brk, hvcl, ebreak
  virtual std::string_view breakpoint_name() const = 0;
  /// The slots that take this kind of point.
  virtual SlotRange slots_for(PointKind kind) const = 0;
  /// Exceptions have numbers below this (Cpu::exception_entry); 0: none is caught by number.
  virtual unsigned exceptions() const { return 0; }
  /// I/O ports, beside memory.
  virtual bool has_ports() const { return false; }
  /// Cuts a watched range into slots; empty when they cannot cover it.
  virtual std::vector<Slot>
  split_watch(PointKind kind, std::uint64_t address, std::uint64_t length) const = 0;
  virtual std::unique_ptr<Cpu>
  attach(Vcpu& vcpu, GuestMemory& memory, const HostFacts& facts) const = 0;
  /// Makes KVM hand these over, and nothing else of their kinds. `vm`: a virtual machine's.
  virtual Status intercept([[maybe_unused]] Kernel& kernel,
                           [[maybe_unused]] Fd vm,
                           const Intercepts& wanted) const {
    if (wanted == Intercepts{}) return Done{};
    return Error{Code::unsupported, "this architecture's KVM hands over no register accesses"};
  }
};

} // namespace kdbg::kvm
