#pragma once
/// Numbers for things that a client refers to until the guest moves again: frames, groups of
/// variables.
#include "adapter/result.hpp"

#include <cstdint>
#include <fmt/format.h>
#include <map>
#include <string_view>

namespace kdbg::dap {

/// Numbers are never used twice in a session, so a stale one is told from a present one.
template <class T>
class Handles {
public:
  std::int32_t add(T value) {
    values_.emplace(++last_, std::move(value));
    return last_;
  }
  /// bad_request; `name` is the field that holds the number.
  Result<T*> find(std::int32_t handle, std::string_view name) {
    const auto found = values_.find(handle);
    if (found != values_.end()) return &found->second;
    if (handle > 0 && handle <= last_) {
      return Error{Code::bad_request,
                   fmt::format("{} {} is stale: the guest has moved since", name, handle)};
    }
    return Error{Code::bad_request, fmt::format("{} {} was never given out", name, handle)};
  }
  void clear() { values_.clear(); }

private:
  std::int32_t last_ = 0;
  std::map<std::int32_t, T> values_;
};

} // namespace kdbg::dap
