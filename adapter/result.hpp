#pragma once
/// Success or a reason: how every fallible call of kvmdbg answers. Knows nothing of what failed.
#include <cassert>
#include <string>
#include <utility>
#include <variant>

namespace kdbg {

/// Why a call failed; front ends map it once (`E NN` with a text, or an error body).
enum class Code {
  unsupported,  ///< this host, guest or build cannot do it; `what` says what to do instead
  bad_request,  ///< the caller's words are off
  no_such_vcpu, ///< the vCPU or thread id does not exist
  running,      ///< needs a stopped guest
  not_owner,    ///< another client holds run control
  memory_fault, ///< no memory at the address, or it may not be touched
  no_free_slot, ///< all hardware slots are taken
  kernel,       ///< a system call failed; `sys_errno` holds errno
  closed,       ///< the guest or the connection is gone
};

/// `what` is lower case and names the thing, the value and the limit.
struct Error {
  Code code;
  std::string what;
  int sys_errno = 0;
};

/// A T or an Error; std::expected's names where they overlap. Reading the absent side is a bug.
template <class T>
class [[nodiscard]] Result {
public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}
  explicit operator bool() const { return state_.index() == 0; }
  T& operator*() & { return checked(); }
  const T& operator*() const& { return const_cast<Result*>(this)->checked(); }
  T&& operator*() && { return std::move(checked()); }
  T* operator->() { return &checked(); }
  const Error& error() const {
    assert(!*this);
    return *std::get_if<1>(&state_);
  }

private:
  T& checked() {
    assert(bool(*this));
    return *std::get_if<0>(&state_);
  }
  std::variant<T, Error> state_;
};

struct Done {};
using Status = Result<Done>;

/// For a result on which nothing depends; the call says why.
template <class T>
void ignore(const Result<T>&) {}

/// Unwraps, or returns the error to our caller (a GNU statement expression; g++ and clang have it).
#define TRY(...)                                                                                   \
  ({                                                                                               \
    auto tried = (__VA_ARGS__);                                                                    \
    if (!tried) return tried.error();                                                              \
    *std::move(tried);                                                                             \
  })

} // namespace kdbg
