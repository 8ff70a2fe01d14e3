#pragma once
/// A machine made of plain memory: registers, RAM with holes, points that are only noted, and
/// stops that the test gives. Checks its callers as strictly as Target's contract allows.
#include "adapter/target.hpp"

#include <functional>
#include <map>

namespace kdbg::fakes {

/// r0-r2 sp fp pc (64 bits), flags (32), v0 (128), and outside g: cr (64), none (64, unreadable).
const ArchInfo& toy_arch();
inline constexpr RegisterId toy_sp{3}, toy_fp{4}, toy_pc{5}, toy_flags{6}, toy_v0{7}, toy_cr{8},
    toy_none{9};

/// Not of clients, of points or of the console.
inline bool of_guest(const Event& event) {
  return std::holds_alternative<Stopped>(event) || std::holds_alternative<Resumed>(event) ||
         std::holds_alternative<MemoryChanged>(event) || std::holds_alternative<Gone>(event);
}

class FakeTarget final : public Target {
public:
  explicit FakeTarget(std::size_t vcpus = 2);

  // What a test sets up and looks at.
  Capabilities can;
  std::map<std::uint64_t, Bytes> ram; ///< address to bytes; holes between
  struct Counts {
    unsigned inserts = 0, removes = 0, resumes = 0, interrupts = 0, resets = 0, power_offs = 0;
    unsigned register_writes = 0;
  };
  Counts counts;
  std::vector<Motion> last_motions;
  std::vector<StepRange> last_ranges;
  std::map<Point, std::vector<Wish>> wishes;
  std::string typed;
  std::optional<Error> next_error; ///< what the next call that can fail will answer
  std::function<void(const Event&)> publish = [](const Event&) {};

  /// The run ends; `stop.epoch` is filled in. With a hit, the vCPU's pc is the point's address.
  void stop_now(Stop stop);
  void stop_now(VcpuId vcpu, StopReason reason) {
    stop_now(Stop{0, {{vcpu, {std::move(reason)}}}});
  }
  void end_now(int status);
  bool gone() const { return gone_; }
  /// Runs though no client resumed it.
  void start_running() { running_ = true; }
  void poke(VcpuId vcpu, RegisterId id, std::uint64_t value);
  std::uint64_t peek(VcpuId vcpu, RegisterId id) const;

  const ArchInfo& arch() const override { return toy_arch(); }
  const Capabilities& capabilities() const override { return can; }
  std::size_t vcpu_count() const override { return registers_.size(); }
  std::string describe(VcpuId vcpu) override;
  bool running() const override { return running_; }
  const Stop& stop() const override { return stop_; }
  Result<Bytes> read_register(VcpuId vcpu, RegisterId id) override;
  Status write_register(VcpuId vcpu, RegisterId id, ByteView value) override;
  Result<Bytes> read_memory(VcpuId vcpu, Address at, std::size_t length) override;
  Status write_memory(VcpuId vcpu, Address at, ByteView data) override;
  Result<Translation> translate(VcpuId vcpu, Address at) override;
  Result<Region> region(VcpuId vcpu, Address at) override;
  std::vector<MemoryRange> memory_ranges() const override;
  Status insert(VcpuId vcpu, const Point& point) override;
  Status agree(const Point& point, std::vector<Wish> wishes) override;
  Status remove(const Point& point) override;
  std::vector<PointState> points() const override { return points_; }
  Status resume(const Resume& how) override;
  void interrupt(std::optional<ClientId> by) override;
  Status reset() override;
  Status power_off() override;
  Result<std::string> console(std::string_view text) override;

private:
  Status check(bool needs_stop);
  std::byte* byte_at(std::uint64_t at);

  std::vector<std::vector<Bytes>> registers_; // by vCPU, then by register
  std::vector<PointState> points_;
  Stop stop_;
  bool running_ = false;
  bool gone_ = false;
};

} // namespace kdbg::fakes
