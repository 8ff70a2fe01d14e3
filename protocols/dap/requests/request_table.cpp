#include "protocols/dap/requests/request_table.hpp"

#include <array>

namespace kdbg::dap {
namespace {

std::array<std::span<const RequestRow>, 14> all_lists() {
  return {lifecycle_requests(),  running_requests(),         breakpoint_requests(),
          stack_requests(),      data_breakpoint_requests(), exception_requests(),
          goto_requests(),       variable_requests(),        evaluate_requests(),
          completion_requests(), memory_requests(),          code_requests(),
          source_requests(),     server_requests()};
}

} // namespace

const RequestRow* find_request(std::string_view command) {
  for (const auto list : all_lists()) {
    for (const RequestRow& one : list) {
      if (one.command == command) return &one;
    }
  }
  return nullptr;
}

Json capabilities() {
  Json all = Json::object();
  for (const auto list : all_lists()) {
    for (const RequestRow& one : list) {
      one.declare(all);
    }
  }
  return all;
}

} // namespace kdbg::dap
