#include "protocols/dap/requests/request_table.hpp"

#include <array>

namespace kdbg::dap {
namespace {

std::array<std::span<const RequestRow>, 14> all_lists() {
  return {
      lifecycle_requests(),       running_requests(),   breakpoint_requests(), stack_requests(),
      data_breakpoint_requests(), exception_requests(), goto_requests(),       variable_requests(),
      evaluate_requests(),        memory_requests(),    code_requests(),       source_requests(),
      server_requests(),          completion_requests()};
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

Json lost_capabilities(const Session& session) {
  Json lost = Json::object();
  for (const auto list : all_lists()) {
    for (const RequestRow& one : list) {
      if (one.acts && session.observes()) one.declare(lost);
    }
  }
  for (Json& value : lost) {
    value = value.is_boolean() ? Json(false) : Json::array();
  }
  // they are x86's
  if (session.arch() != "x86_64") lost["exceptionBreakpointFilters"] = Json::array();
  return lost;
}

} // namespace kdbg::dap
