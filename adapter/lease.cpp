#include "adapter/lease.hpp"

#include <utility>

namespace kdbg {

void Lease::take(ClientId id) {
  if (drive_ && drive_->by != id) cut(id);
  if (!rests(id)) resting_.reset();
  holder_ = id;
}

void Lease::release(ClientId id) {
  if (holder_ == id) holder_.reset();
  forget_rest(id);
}

void Lease::open(ClientId id) {
  holder_ = id;
  drive_ = Drive{id};
  resting_.reset();
}

void Lease::rest() {
  if (drive_ && holder_ == drive_->by) resting_ = drive_->by;
  drive_.reset();
}

std::optional<ClientId> Lease::driver() const {
  if (!drive_) return {};
  return drive_->by;
}

bool Lease::announces(ClientId id) {
  if (!driven_by(id)) return true;
  return !std::exchange(drive_->begun, true);
}

std::optional<ClientId> Lease::cut_by(ClientId driver) const {
  return driven_by(driver) ? drive_->cut : std::nullopt;
}

} // namespace kdbg
