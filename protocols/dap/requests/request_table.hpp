#pragma once
/// The requests that the adapter answers: a row each.
///
/// A request is a struct R with `command`, `Args`, `Body` (each described as message/fields.hpp
/// says; Json or Nothing will do) and `static Result<Body> run(Session&, const Args&)`. Two more
/// are optional: `static void declare(Json& capabilities)`, what `initialize` answers because this
/// request is there, and `static void after_reply(Session&)`, which runs once the response is out.
/// What one with `static constexpr bool acts = true` declares is not for clients that only observe.
#include "protocols/dap/session/session.hpp"

#include <span>

namespace kdbg::dap {

/// No arguments, or a response without a body.
struct Nothing {
  static constexpr auto fields() { return std::tuple{}; }
};

struct RequestRow {
  std::string_view command;
  Phase from; ///< refused before
  Result<Json> (*run)(Session&, const Request&);
  void (*after_reply)(Session&);
  void (*declare)(Json& capabilities);
  bool acts;
};

template <class R>
concept Declares = requires(Json& json) {
  R::declare(json);
};
template <class R>
concept FollowsUp = requires(Session& session) {
  R::after_reply(session);
};

template <class R>
concept Acts = R::acts;

template <class R>
constexpr RequestRow row(Phase from = Phase::configuring) {
  RequestRow made{};
  made.command = R::command;
  made.from = from;
  made.run = [](Session& session, const Request& request) -> Result<Json> {
    const auto arguments = TRY(read<typename R::Args>(request.arguments, ""));
    auto body = TRY(R::run(session, arguments));
    if constexpr (std::is_same_v<decltype(body), Nothing>) return Json(nullptr);
    return write(body);
  };
  made.after_reply = [](Session& session) {
    if constexpr (FollowsUp<R>) R::after_reply(session);
  };
  made.declare = [](Json& capabilities) {
    if constexpr (Declares<R>) R::declare(capabilities);
  };
  made.acts = Acts<R>;
  return made;
}

// One list per file of this folder.
std::span<const RequestRow> lifecycle_requests();
std::span<const RequestRow> running_requests();
std::span<const RequestRow> breakpoint_requests();
std::span<const RequestRow> data_breakpoint_requests();
std::span<const RequestRow> exception_requests();
std::span<const RequestRow> goto_requests();
std::span<const RequestRow> stack_requests();
std::span<const RequestRow> variable_requests();
std::span<const RequestRow> evaluate_requests();
std::span<const RequestRow> completion_requests();
std::span<const RequestRow> memory_requests();
std::span<const RequestRow> code_requests();
std::span<const RequestRow> source_requests();
std::span<const RequestRow> server_requests();

/// nullptr when there is none.
const RequestRow* find_request(std::string_view command);
/// What all of them declare.
Json capabilities();
/// What of that does not hold, once the guest and this client's role are known; may be empty.
Json lost_capabilities(const Session& session);

} // namespace kdbg::dap
