#pragma once
/// The client's breakpoints. LLDB says where they are, in a target of its own that has no guest;
/// the engine has them, so that they work while the guest runs, in hardware or software, and
/// decides conditions, hit counts and log lines that need no symbols. The others are decided here,
/// at the stop.
#include "protocols/dap/control/control.hpp"
#include "protocols/dap/message/fields.hpp"
#include "protocols/dap/message/source_map.hpp"
#include "protocols/dap/session/client.hpp"

#include <lldb/API/SBBreakpoint.h>
#include <lldb/API/SBTarget.h>
#include <lldb/API/SBThread.h>

#include <map>
#include <set>

namespace kdbg::dap {

enum class PointKind : std::uint8_t { source, function, instruction, data };

/// What the client asked for; an equal one that it asks for again is the same point.
struct PointWish {
  PointKind kind = PointKind::source;
  std::string place; ///< a path, a function's name, or nothing
  std::uint32_t line = 0, column = 0;
  std::uint64_t address = 0, length = 0; ///< of an instruction; of data
  std::string access;                    ///< of data: write, readWrite
  std::string condition, hits, log;
  std::string mode; ///< software, hardware or "": as the engine sees fit
  auto operator<=>(const PointWish&) const = default;
};

class Points {
public:
  Points(Client& client, Control& control, const lldb::SBTarget& places, SourceMap sources)
      : client_(client), control_(control), places_(places), sources_(std::move(sources)) {}

  /// Replaces all wishes of `kind` (of sources: at `place`). The bodies of the response, in order.
  Json replace(PointKind kind, const std::string& place, const std::vector<PointWish>& wishes);
  /// Symbols have come or moved: what has another place now is told to the client.
  void look_again();

  /// The ids of the points that a stop at `address` is a hit of, and which kind the first one is.
  struct Hit {
    std::vector<std::int32_t> ids;
    PointKind kind = PointKind::source;
  };
  Hit at(std::uint64_t address) const;
  /// The point that the engine has of this kind (docs/jkvm.md) at this virtual address; 0 for none.
  std::int32_t id_of(std::string_view kind, std::uint64_t address) const;
  /// Whether every point at this thread's pc says that the hit is none, or only logs.
  bool let_pass(lldb::SBThread thread);
  void on_log(const Json& event);
  /// Where a line's code begins; for goto, and for where a breakpoint may be.
  lldb::SBTarget places() const { return places_; }
  /// Between the paths of places() and the client's.
  const SourceMap& sources() const { return sources_; }

private:
  /// What the engine knows a point by.
  struct Site {
    std::string kind;
    std::uint64_t address, length;
    auto operator<=>(const Site&) const = default;
  };
  struct Point {
    std::int32_t id = 0;
    PointWish wish;
    lldb::SBBreakpoint where; ///< of a source or a function
    std::set<Site> sites;     ///< that the engine has
    std::string problem;      ///< why it has none
    bool ours = false;        ///< condition, hits and log are decided here
    std::uint64_t held = 0;   ///< hits at which the condition held, when they are
  };

  Point make(const PointWish& wish);
  std::set<Site> sites_of(Point& point);
  void arm(Point& point);
  void disarm(Point& point);
  Status insert(Point& point, const Site& site);
  bool needs_symbols(const PointWish& wish, std::uint64_t address);
  Json describe(const Point& point);
  void describe_place(const Point& point, Json& body);
  bool passes(Point& point, const lldb::SBFrame& frame);

  Client& client_;
  Control& control_;
  lldb::SBTarget places_;
  SourceMap sources_;
  std::map<std::int32_t, Point> points_;
  std::int32_t last_id_ = 0;
};

} // namespace kdbg::dap
