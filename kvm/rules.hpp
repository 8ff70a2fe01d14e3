#pragma once
/// What the clients of a point say to its hits. Asked on vCPU threads, set up on the strand, both
/// at once; knows no site and no KVM.
#include "adapter/stop.hpp"
#include "adapter/target.hpp"
#include "kvm/evaluate.hpp"

#include <chrono>
#include <map>
#include <memory>
#include <mutex>

namespace kdbg::kvm {

class Rules {
public:
  using Time = std::chrono::steady_clock::time_point;

  /// A point that nobody has agreed on stops at every hit.
  void add(const Point& point);
  /// A wish that was there already keeps its counts.
  void agree(const Point& point, std::vector<Wish> wishes);
  void forget(const Point& point);
  bool knows(const Point& point) const;

  struct Judgement {
    bool stops = false;
    Matched matched{};
    bool logged = false; ///< `take_log` may have something
  };
  /// One hit. A point that has just been forgotten does not stop.
  Judgement judge(const Point& point, VcpuId vcpu, const Scene& scene, Time now);

  /// What is due to be told. `all`: also of what was only dropped.
  std::vector<LogLine> take_log(bool all);
  /// Fills in hits and wishes.
  void describe(PointState& state) const;

  static constexpr std::uint64_t most_lines = 500; ///< of one wish in a second
  static constexpr std::size_t most_waiting = 5000;

private:
  struct Term {
    ClientId client{};
    std::shared_ptr<const Rule> rule;
    std::uint64_t held = 0, done = 0;
    Time second{};           ///< when the one began in which `lines` were told
    std::uint64_t lines = 0; ///< in this second
    std::uint64_t dropped = 0;
  };
  struct Entry {
    std::uint64_t hits = 0;
    std::vector<Term> terms;
  };
  /// A wish as it was when a hit came.
  struct Asked {
    ClientId client{};
    std::shared_ptr<const Rule> rule;
  };
  struct Answer {
    bool holds = false;
    std::string failure; ///< why that cannot be told
  };
  static Answer ask(const Rule& rule, const Scene& scene);
  static std::string render_log(const Rule& rule, const Scene& scene);
  Term* find(const Point& point, const Asked& asked);
  bool count(const Point& point, const Asked& asked, bool failed);
  void log(const Point& point, const Asked& asked, VcpuId vcpu, std::string line, Time now);
  void consult(const Point& point,
               const Asked& asked,
               VcpuId vcpu,
               const Scene& scene,
               Time now,
               Judgement& out);

  mutable std::mutex mutex_;
  std::map<Point, Entry> entries_;
  std::vector<LogLine> log_;
};

} // namespace kdbg::kvm
