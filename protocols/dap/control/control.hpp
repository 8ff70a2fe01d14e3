#pragma once
/// Our own connection to the server, beside LLDB's: asks by `jKvm.*` packets and is told of events.
/// Works while the guest runs. Knows no LLDB and no DAP.
#include "adapter/types.hpp"
#include "protocols/dap/message/fields.hpp"
#include "protocols/gdb/codec.hpp"

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace kdbg::dap {

class Control {
public:
  /// What comes without being asked for; called from a thread of the connection's.
  struct Listener {
    std::function<void(Json event)> told;
    std::function<void(std::string why)> left;
  };
  /// Owns `socket`, a connection on which nothing has been said yet.
  static Result<std::unique_ptr<Control>> open(int socket, Listener listener);
  ~Control();
  Control(const Control&) = delete;
  Control& operator=(const Control&) = delete;

  /// jKvm.`name`. unsupported when the server has no such packet, closed when it is gone or silent
  /// for ten seconds, else bad_request with its sentence.
  Result<Json> ask(std::string_view name, const Json& arguments = Json::object());

  /// As `ask`, without waiting: the listener is told of the answer as of an event by this name.
  /// What is asked next is answered after it.
  void post(std::string_view name);

  /// By how much a Linux kernel has moved itself; 0 for what is none, or cannot be told yet.
  std::uint64_t kernel_slide();
  /// gdb's description of the target: registers, their groups and fields, as XML.
  Result<std::string> description();

  /// The guest goes on without this client's points, unless somebody else has run control.
  Status detach();

private:
  Control(int socket, Listener listener) : socket_(socket), listener_(std::move(listener)) {}
  Result<std::string> exchange(std::string_view packet);
  Status send(std::string_view bytes);
  void receive();
  void take(gdb::Token token);
  void tell(std::string_view text, std::string_view posted = {});

  int socket_;
  Listener listener_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<std::string> answer_;
  std::deque<std::string> posted_; ///< whose answers are yet to come
  bool gone_ = false;
  bool acks_ = true; ///< until QStartNoAckMode is answered
  std::thread reader_;
};

} // namespace kdbg::dap
