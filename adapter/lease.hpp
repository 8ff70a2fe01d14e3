#pragma once
/// Who may move the guest (the run lease), and the *drive*: many little runs of one client that the
/// others are shown as a single one. Knows client ids, and neither guest nor events.
#include "adapter/types.hpp"

namespace kdbg {

class Lease {
public:
  std::optional<ClientId> holder() const { return holder_; }
  bool held_by_other(ClientId id) const { return holder_ && *holder_ != id; }
  /// Whoever had it. Another client's drive is cut: its next run does not begin.
  void take(ClientId id);
  /// Its holder has left.
  void release(ClientId id);

  /// From now on this client's runs are one to others. It holds the lease.
  void open(ClientId id);
  void close() { drive_.reset(); }
  /// Closes the drive. Its client's next run opens another, unless the lease has passed on by then.
  void rest();
  bool rests(ClientId id) const { return resting_ == id; }
  /// This client's next run is none of a drive.
  void forget_rest(ClientId id) {
    if (rests(id)) resting_.reset();
  }
  std::optional<ClientId> driver() const;
  bool driven_by(ClientId id) const { return driver() == id; }

  /// A run of this client's begins: are the others to hear of it?
  bool announces(ClientId id);
  /// Others believe that the guest runs, since a drive began that has not come to its end.
  bool hides() const { return drive_ && drive_->begun; }
  /// To everybody but its driver, the guest runs even where it stands between two of its runs.
  bool hidden_from(ClientId id) const { return hides() && drive_->by != id; }
  /// The others have been told that the guest stands: the drive's next run is announced again.
  void show() {
    if (drive_) drive_->begun = false;
  }
  /// Another client wants the guest to stand: the drive's next run does not begin.
  void cut(ClientId by) {
    if (drive_) drive_->cut = by;
  }
  /// The driver itself wants that: its next run may be on its way, by another connection.
  void stay(ClientId id) {
    if (driven_by(id)) cut(id);
    forget_rest(id);
  }
  std::optional<ClientId> cut_by(ClientId driver) const;

private:
  struct Drive {
    ClientId by{};
    bool begun = false;
    std::optional<ClientId> cut{};
  };
  std::optional<ClientId> holder_;
  std::optional<Drive> drive_;
  std::optional<ClientId> resting_; ///< holds the lease
};

} // namespace kdbg
