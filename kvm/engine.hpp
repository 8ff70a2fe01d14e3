#pragma once
/// The debug engine: a Target on top of a Vmm. Clients' side on the strand (engine.cpp,
/// schedule.cpp), vCPUs' side on their threads (exits.cpp), never both at once: the strand touches
/// a vCPU only while it is parked.
#include "kvm/rules.hpp"
#include "kvm/vmm.hpp"
#include "kvm/watch.hpp"

#include <atomic>
#include <tuple>

namespace kdbg::kvm {

class Engine final : public Target {
public:
  using Publish = std::function<void(const Event&)>;
  /// All must outlive the engine. `publish` is called on the strand.
  Engine(Vmm& vmm, const Arch& arch, const HostFacts& facts, Publish publish);

  // Target
  const ArchInfo& arch() const override { return arch_.info(); }
  const Capabilities& capabilities() const override { return capabilities_; }
  std::size_t vcpu_count() const override { return vmm_.vcpu_count(); }
  std::string describe(VcpuId vcpu) override;
  bool running() const override { return running_; }
  const Stop& stop() const override { return stop_; }
  Result<Bytes> read_register(VcpuId vcpu, RegisterId id) override;
  std::vector<Result<Bytes>> read_registers(VcpuId vcpu, std::span<const RegisterId> ids) override;
  Status write_register(VcpuId vcpu, RegisterId id, ByteView value) override;
  Result<Bytes> read_memory(VcpuId vcpu, Address at, std::size_t length) override;
  Status write_memory(VcpuId vcpu, Address at, ByteView data) override;
  Result<Translation> translate(VcpuId vcpu, Address at) override;
  Result<Region> region(VcpuId vcpu, Address at) override;
  std::vector<MemoryRange> memory_ranges() const override { return vmm_.memory().extent(); }
  Result<std::vector<CodeLine>>
  disassemble(VcpuId vcpu, std::uint64_t at, std::size_t count) override;
  Result<DescriptorList>
  descriptors(VcpuId vcpu, TableKind table, std::uint64_t first, std::uint64_t count) override;
  Result<std::uint64_t> read_msr(VcpuId vcpu, std::uint32_t number) override;
  Status write_msr(VcpuId vcpu, std::uint32_t number, std::uint64_t value) override;
  Status insert(VcpuId vcpu, const Point& point) override;
  Status agree(const Point& point, std::vector<Wish> wishes) override;
  Status remove(const Point& point) override;
  std::vector<PointState> points() const override;
  Status resume(const Resume& how) override;
  void interrupt(std::optional<ClientId> by) override;
  Status reset() override;
  Status power_off() override;
  Result<std::string> console(std::string_view typed) override { return vmm_.console(typed); }

  // The Vmm's side, each call on that vCPU's own thread.
  Verdict before_run(VcpuId id);
  Verdict after_exit(VcpuId id, const Result<int>& run);
  /// The Vmm served an exit and found that the guest cannot or must not go on.
  Verdict stop_here(VcpuId id, StopReason why);
  // On the strand: every released vCPU has parked.
  void parked();

  /// On the strand, now and then. `idle`: the vCPUs have used no processor since the last time. A
  /// guest that nothing can wake any more becomes a stop; a point that waits for the guest to map
  /// or load something is tried again.
  void look(bool idle);

  /// Guest memory and vCPUs as without us. On the strand, parked or not; waits.
  Status withdraw();

private:
  /// One vCPU steps while all others are held.
  struct Alone {
    VcpuId vcpu{};
    std::optional<GuestPhys> lifted;  ///< the site that is out of memory for it
    bool open = false;                ///< no page is protected
    std::optional<StepPlan> foretold; ///< with soft_step: breakpoint instructions stand at its ends
  };
  /// What one vCPU is about in this run.
  struct VcpuRun {
    Motion motion = Motion::hold;
    StepRange range;                  ///< a step goes on in here
    bool off_site = false;            ///< first step off the site at its pc, then `motion`
    bool stepping = false;            ///< the entry under way is a single step
    std::optional<unsigned> end_slot; ///< slot that ends this step, beside its trap
    bool completing = false;          ///< an exit was served and waits for its completion
    bool halted = false;              ///< HLT with nothing to end it
    bool alone = false;               ///< its next step needs all others held
    bool open = false;                ///< its instruction cannot be emulated on a protected page
    /// pc at which the last stop was reported: a site there was hit, or these slots by an access
    /// that is still to be done.
    std::optional<std::uint64_t> passed;
    std::uint32_t passed_slots = 0;
    /// A foretold step that was paused on its way: its pc may be in a handler, far from its ends.
    std::optional<Alone> paused;
    /// Hits of watches and catchpoints by the instruction under way: what clients say to them is
    /// asked when it is done.
    std::vector<StopReason> seen;
    std::vector<StopReason> reasons;
  };

  // exits.cpp
  DebugPlan plan_for(VcpuRun& run, std::uint64_t pc, const StepPlan& step) const;
  Result<bool> prepare_entry(VcpuId id);
  Verdict on_trap(VcpuId id, const Trap& trap);
  Verdict on_debug_exit(VcpuId id);
  Verdict interrupted_exit(VcpuId id);
  Verdict finish_step(VcpuId id);
  Verdict conclude(VcpuId id);
  Verdict crashed(VcpuId id, std::string what);
  Result<bool> patched_at_pc(VcpuId id) const;
  Result<Verdict> pass_site(VcpuId id);
  Result<bool> emulate_site(VcpuId id);
  Verdict hold_others(VcpuId id);
  std::optional<Verdict> without_entry(VcpuId id);
  Result<StepPlan> begin_step(VcpuId id);
  Result<bool> at_foretold_end(VcpuId id) const;
  Result<Verdict> take_trap(VcpuId id, const Trap& trap);
  Result<Verdict> take_step(VcpuId id, bool at_site);
  Result<bool> steps_on(VcpuId id);

  // judge.cpp
  Scene scene(VcpuId id);
  bool judge(VcpuId id, StopReason reason);
  bool judge_seen(VcpuId id);
  void tell_log(bool all);

  // hits.cpp
  Result<bool> add_execution_hits(VcpuId id);
  Result<bool> executes_at(const Site& site, Cpu& cpu, std::uint64_t pc) const;
  Result<bool> add_slot_hits(VcpuId id, std::uint32_t slots);
  void add_watch_hit(VcpuId id, HitWatch hit);

  // catch.cpp
  void catch_exit(VcpuId id);
  Verdict on_register_exit(VcpuId id);
  Verdict on_hypercall(VcpuId id);
  Result<std::optional<Caught>> exception_at(VcpuId id, const Point& point);
  Status intercept();

  // writes.cpp
  Status protect();
  bool is_protected_write(const kvm_run& exit) const;
  bool is_protected(std::uint64_t physical) const;
  Verdict on_protected_write(VcpuId id);
  Result<bool> needs_open_pages(VcpuId id);

  // points.cpp
  void place_soon();

  // schedule.cpp
  Status place_sites();
  Result<bool> instructions_blocked();
  Status replace_sites();
  Result<bool> all_wait_for_ever();
  Status prepare_run(const Resume& how);
  bool steps_outstanding() const;
  void begin_phase();
  Status begin_alone(VcpuId id);
  Status foretell(VcpuId id);
  Status announce(VcpuId id);
  Status end_alone(const Alone& alone);
  void finish_phase();
  void drop_stale_hits();
  std::vector<VcpuStop> gather();
  void publish_stop(std::vector<VcpuStop> vcpus);
  VcpuId interrupted_vcpu() const;
  Result<std::optional<GuestPhys>> instruction_at(VcpuId id);
  Result<bool> prepare_vcpu(VcpuId id);
  Status remember_tables();

  Status check(VcpuId id, bool needs_stop) const;
  Translator translator();
  /// Through the cache of this stop; without `levels`.
  Result<Translation> locate(VcpuId id, Address at);
  template <class F>
  auto on_vcpu(VcpuId id, F work) {
    std::optional<decltype(work())> out;
    vmm_.on_vcpu(id, [&] { out.emplace(work()); });
    return *std::move(out);
  }

  /// For work on registers alone: where those are at hand it needs no ioctl, so no other thread.
  template <class F>
  auto with_registers(VcpuId id, F work) {
    return vmm_.cpu(id).registers_at_hand() ? work() : on_vcpu(id, work);
  }

  Vmm& vmm_;
  const Arch& arch_;
  const HostFacts facts_; ///< as far as they hold for so many vCPUs
  Publish publish_;
  Capabilities capabilities_;
  Sites sites_;
  Watches watches_;
  std::vector<VcpuRun> runs_;

  bool running_ = false;
  bool ended_ = false; ///< the run after a power-off: there is no guest any more
  Stop stop_;
  std::chrono::steady_clock::time_point stopped_at_{};
  std::vector<VcpuId> solo_; ///< vCPUs still to step off a site alone, before the run proper
  std::optional<Alone> alone_;
  std::vector<std::uint64_t> protected_;                 ///< pages: guest-physical, sorted
  std::optional<Intercepts> intercepted_ = Intercepts{}; ///< nothing: not known
  bool interrupt_wanted_ = false;
  std::optional<ClientId> interrupted_by_;
  bool halt_check_ = false;  ///< paused to see whether anything can still wake the guest
  bool place_again_ = false; ///< paused because a point may find its place now
  std::vector<std::unique_ptr<PageTables>> tables_; ///< of the last stop, while running
  bool changed_ = false; ///< points came or went while running: placed at the next pause
  Rules rules_;
  std::atomic<bool> log_posted_ = false;
  /// Of this stop: page by {vCPU, or ~0 for a named root; root; page number}.
  std::map<std::tuple<std::size_t, std::uint64_t, std::uint64_t>, Translation> translations_;
};

} // namespace kdbg::kvm
