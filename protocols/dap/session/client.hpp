#pragma once
/// The client as the adapter sees it: what it said of itself in `initialize`, and the way to it.
/// Knows no LLDB.
#include "protocols/dap/message/message.hpp"
#include "protocols/dap/wire/outbox.hpp"

namespace kdbg::dap {

/// Of the arguments of `initialize`.
struct ClientTraits {
  std::string name; ///< "Visual Studio Code"
  bool lines_start_at_1 = true, columns_start_at_1 = true;
  bool variable_type = false, variable_paging = false, memory_references = false;
  bool progress = false, invalidated = false, memory_event = false;
};

class Client {
public:
  explicit Client(Outbox& outbox) : outbox_(outbox) {}
  void respond(const Request& to, const Json& body) { outbox_.put(response(++seq_, to, body)); }
  void refuse(std::int64_t to, std::string_view command, const Error& error) {
    outbox_.put(error_response(++seq_, to, command, error));
  }
  void tell(std::string_view event, const Json& body = nullptr) {
    outbox_.put(dap::event(++seq_, event, body));
  }
  /// An `output` event; `category` is console, important, stdout or stderr. A line end is the
  /// caller's.
  void print(std::string_view category, std::string_view text) {
    tell("output", {{"category", category}, {"output", text}});
  }

  ClientTraits traits;

private:
  Outbox& outbox_;
  std::int64_t seq_ = 0;
};

} // namespace kdbg::dap
