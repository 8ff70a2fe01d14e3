#pragma once
/// The machine under debug, as clients may use it. Implemented by the KVM engine and by a fake.
/// Every call is made from one strand. Knows no protocol, no client list, no KVM.
#include "adapter/registers.hpp"
#include "adapter/result.hpp"
#include "adapter/rule.hpp"
#include "adapter/stop.hpp"
#include "adapter/types.hpp"

namespace kdbg {

/// What really works on this host, with which method; front ends advertise from this alone.
struct Capabilities {
  unsigned hardware_slots = 0; ///< shared by execution points and watches
  bool single_step = false;
  bool software_points = false;
  bool hardware_watch = false;     ///< a watch costs nothing while it does not hit
  bool protected_watch = false;    ///< a write watch costs an exit for each write to its pages
  bool stepped_watch = false;      ///< a watch is possible by single-stepping: slow
  bool watch_stops_before = false; ///< at a hit of a hardware watch the access is yet to be done
  bool block_interrupts = false;   ///< a step does not land in an interrupt handler
  std::vector<std::string> notes;  ///< one line each: what this host cannot do, or does its own way
};

/// One client's share in a point, as it has gone so far.
struct WishState {
  ClientId client{};
  std::string rule;       ///< in words; empty: every hit stops
  std::uint64_t held = 0; ///< hits at which its condition held
  std::uint64_t done = 0; ///< of those, which stopped for it or were logged
};

/// A point as installed.
struct PointState {
  Point point;
  std::string strategy;   ///< "int3", "hardware slot 2", "single-stepping, slow", "pending: ..."
  std::uint64_t hits = 0; ///< that meant something to a client
  std::vector<WishState> wishes{};
  std::vector<ClientId> owners{}; ///< filled in by the arbiter
};

/// One instruction.
struct CodeLine {
  std::uint64_t address = 0; ///< linear
  Bytes bytes;
  std::string text; ///< "mov %rax, %rbx"; "(bad)" where it is none
};

struct Translation {
  GuestPhys physical;
  std::uint64_t page_size = 0; ///< bytes; 0 when paging is off
  bool writable = true, user = true, executable = true;
  bool accessed = true, dirty = true; ///< the CPU has noted a use, a write, in the last entry
  std::uint64_t root = 0;             ///< of the page tables used; 0 when paging is off
  std::vector<std::string> levels;    ///< one line per page-table level, top first
};

/// A stretch of an address space whose bytes are alike: mapped with the same rights onto the same
/// kind of memory, or not mapped at all.
struct Region {
  std::uint64_t start = 0;
  std::uint64_t last = 0; ///< address of its last byte
  bool mapped = false;
  bool writable = false, user = false, executable = false;
  std::string name{}; ///< "RAM", "ROM", "MMIO"; empty where nothing is mapped
};
/// The tables that tell an x86 CPU where its handlers and segments are (SDM vol. 3, 2.1).
enum class TableKind : std::uint8_t { idt, gdt, ldt, tss };
/// One entry, decoded; of the task-state segment, one of its fields.
struct Descriptor {
  std::uint64_t number = 0;   ///< vector; index in a segment table; byte offset in the TSS
  std::string kind;           ///< "64-bit interrupt gate", "64-bit code", "rsp0"
  std::uint64_t base = 0;     ///< where a gate leads, a segment begins; a field's value
  std::uint64_t limit = 0;    ///< of a segment: its last byte's offset
  std::uint16_t selector = 0; ///< of a gate: the code segment
  std::uint8_t privilege = 0, stack = 0; ///< DPL; of a gate: its IST, 0 for none
  bool present = true;
};
struct DescriptorList {
  std::uint64_t base = 0, limit = 0; ///< of the table: linear address, last byte's offset
  std::vector<Descriptor> entries;   ///< without those that are all zeros
};

class Target {
public:
  virtual ~Target() = default;

  virtual const ArchInfo& arch() const = 0;
  virtual const Capabilities& capabilities() const = 0;
  virtual std::size_t vcpu_count() const = 0;
  /// "long mode, ring 0, halted": what a thread list shows.
  virtual std::string describe(VcpuId vcpu) = 0;

  virtual bool running() const = 0;
  /// The stop that ended the latest run. Before the first run: AtEntry.
  virtual const Stop& stop() const = 0;

  /// Little-endian bytes of the table's width. Needs a stopped guest.
  virtual Result<Bytes> read_register(VcpuId vcpu, RegisterId id) = 0;
  /// Several at once, each as read_register would answer, in order.
  virtual std::vector<Result<Bytes>> read_registers(VcpuId vcpu, std::span<const RegisterId> ids) {
    std::vector<Result<Bytes>> out;
    out.reserve(ids.size());
    for (const RegisterId id : ids) {
      out.push_back(read_register(vcpu, id));
    }
    return out;
  }
  /// Takes effect or fails with a reason. Needs a stopped guest.
  virtual Status write_register(VcpuId vcpu, RegisterId id, ByteView value) = 0;

  /// Reads up to `length` bytes; a short answer means a hole follows, no byte at all is
  /// memory_fault. Installed sites do not show. A physical or rooted read also works while the
  /// guest runs; a current-space one then uses the page tables of the last stop.
  virtual Result<Bytes> read_memory(VcpuId vcpu, Address at, std::size_t length) = 0;
  /// Writes all or, when any byte is not RAM or ROM, nothing. Installed sites stay installed.
  virtual Status write_memory(VcpuId vcpu, Address at, ByteView data) = 0;
  virtual Result<Translation> translate(VcpuId vcpu, Address at) = 0;
  /// What `at` lies in, or as much of it around `at` as is found in a millisecond or so: the next
  /// region then is of the same kind. As translate while the guest runs.
  virtual Result<Region> region(VcpuId vcpu, Address at) = 0;
  /// All memory, RAM and ROM: sorted, disjoint, not empty. Whole pages of 4 KiB.
  virtual std::vector<MemoryRange> memory_ranges() const = 0;

  /// The code at a linear address, in the vCPU's present mode. Needs a stopped guest.
  virtual Result<std::vector<CodeLine>> disassemble([[maybe_unused]] VcpuId vcpu,
                                                    [[maybe_unused]] std::uint64_t at,
                                                    [[maybe_unused]] std::size_t count) {
    return Error{Code::unsupported, "this machine's code is not disassembled here"};
  }

  /// Entries [first, first + count) of a table of this vCPU, as far as there is memory for them.
  /// Needs a stopped guest.
  virtual Result<DescriptorList> descriptors([[maybe_unused]] VcpuId vcpu,
                                             [[maybe_unused]] TableKind table,
                                             [[maybe_unused]] std::uint64_t first,
                                             [[maybe_unused]] std::uint64_t count) {
    return Error{Code::unsupported, "this CPU family has no descriptor tables"};
  }
  /// A model-specific register by number, also one outside the register table. Needs a stopped
  /// guest.
  virtual Result<std::uint64_t> read_msr([[maybe_unused]] VcpuId vcpu,
                                         [[maybe_unused]] std::uint32_t number) {
    return Error{Code::unsupported, "this CPU family has no MSRs by number"};
  }
  virtual Status write_msr([[maybe_unused]] VcpuId vcpu,
                           [[maybe_unused]] std::uint32_t number,
                           [[maybe_unused]] std::uint64_t value) {
    return Error{Code::unsupported, "this CPU family has no MSRs by number"};
  }

  /// Needs a stopped guest. Fails when no strategy is left (no_free_slot, unsupported). What it
  /// costs in the guest happens at the next resume, once for all changes. `at.space` current is
  /// resolved by `vcpu`.
  virtual Status insert(VcpuId vcpu, const Point& point) = 0;
  /// Who wants this point, and with which rules; without it every hit of it stops. Holds for the
  /// hits from now on, also while the guest runs. What a client wanted before it still counts on.
  virtual Status agree(const Point& point, std::vector<Wish> wishes) = 0;
  /// A point that is not there is an error (bad_request).
  virtual Status remove(const Point& point) = 0;
  virtual std::vector<PointState> points() const = 0;

  /// Returns at once; the run ends in exactly one Stopped event. On error nothing has moved.
  virtual Status resume(const Resume& how) = 0;
  /// Stops the guest soon; nothing when it is stopped already.
  virtual void interrupt(std::optional<ClientId> by) = 0;
  /// Machine reset: stopped again at entry, points kept.
  virtual Status reset() = 0;
  /// Ends the machine for good; a Gone event follows.
  virtual Status power_off() {
    return Error{Code::unsupported, "this machine cannot be powered off from here"};
  }
  /// Types `typed` into the guest's console, then returns the latest of what the guest wrote there.
  virtual Result<std::string> console([[maybe_unused]] std::string_view typed) {
    return Error{Code::unsupported, "this machine has no console here"};
  }
};

} // namespace kdbg
