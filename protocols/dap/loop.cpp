#include "protocols/dap/loop.hpp"

#include "protocols/dap/requests/request_table.hpp"

#include <lldb/API/SBBroadcaster.h>
#include <lldb/API/SBEvent.h>

#include <cstdio>
#include <thread>

namespace kdbg::dap {
namespace {

constexpr std::uint32_t something_in_inbox = 1;
constexpr std::uint32_t forever = UINT32_MAX;
/// Requests that wait, of a client that does not wait for answers.
constexpr std::size_t max_waiting = 1000;

void read_client(Channel& channel, Inbox& inbox) {
  for (;;) {
    auto next = channel.read();
    if (!next) return inbox.put(ClientLeft{next.error().what});
    if (!*next) return inbox.put(ClientLeft{});
    if (inbox.waiting() > max_waiting) {
      return inbox.put(ClientLeft{fmt::format("more than {} requests wait", max_waiting)});
    }
    auto parsed = parse_request(**next);
    std::visit([&](auto& message) { inbox.put(std::move(message)); }, parsed);
  }
}

class Loop {
public:
  Loop(Session& session, Client& client, Inbox& inbox)
      : session_(session), client_(client), inbox_(inbox) {}

  /// Why the client left; empty when it said so.
  std::string run() {
    while (!done_) {
      lldb::SBEvent event;
      // the server's news first, then LLDB's events: a request is answered in the state that they
      // tell of
      while (auto news = inbox_.take_news()) {
        session_.on_news(news->event);
      }
      // a look first: LLDB waits for one that is not there, however short
      while (!done_ && session_.listener.PeekAtNextEvent(event) &&
             session_.listener.GetNextEvent(event)) {
        session_.on_process_event(event);
      }
      if (auto item = inbox_.take()) {
        std::visit([this](auto& one) { deal(one); }, *item);
      } else if (!done_ && session_.listener.WaitForEvent(forever, event)) {
        session_.on_process_event(event);
      }
    }
    return why_;
  }

private:
  void deal(Request& request) {
    const RequestRow* const row = find_request(request.command);
    const Result<Json> body = answer(row, request);
    if (!body) return client_.refuse(request.seq, request.command, body.error());
    client_.respond(request, *body);
    row->after_reply(session_);
    done_ = request.command == "disconnect";
  }

  Result<Json> answer(const RequestRow* row, const Request& request) {
    if (!row) {
      return Error{Code::unsupported, fmt::format("command {} is not known", request.command)};
    }
    if (session_.phase == Phase::fresh && row->from != Phase::fresh) {
      return Error{Code::bad_request, fmt::format("{} comes before initialize", request.command)};
    }
    if (session_.phase < row->from) {
      return Error{Code::bad_request,
                   fmt::format("{}: no guest: launch or attach comes first", request.command)};
    }
    if (session_.phase == Phase::over && request.command != "disconnect") {
      return Error{Code::closed, fmt::format("{}: the session is over", request.command)};
    }
    return row->run(session_, request);
  }

  void deal(Malformed& message) { client_.refuse(message.seq, message.command, message.error); }
  void deal(ClientLeft& left) {
    why_ = left.why;
    done_ = true;
  }
  void deal(News& news) { session_.on_news(news.event); }
  void deal(ServerLeft& left) {
    session_.on_server_left(left.why);
    done_ = done_ || session_.worker(); // nobody else starts another guest for this client
  }
  void deal(Finished& work) { work.rest(); }

  Session& session_;
  Client& client_;
  Inbox& inbox_;
  bool done_ = false;
  std::string why_;
};

} // namespace

int serve(Channel& channel, Inherited inherited) {
  lldb::SBDebugger debugger = lldb::SBDebugger::Create(false);
  debugger.SetAsync(true);
  std::string why;
  {
    lldb::SBListener listener = debugger.GetListener();
    lldb::SBBroadcaster bell("kvmdbg-dap");
    listener.StartListeningForEvents(bell, something_in_inbox);
    Inbox inbox([&] { bell.BroadcastEventByType(something_in_inbox, true); });
    Outbox outbox(channel);
    Client client(outbox);
    std::thread reader([&] { read_client(channel, inbox); });
    {
      Session session(inbox, client, debugger, std::move(inherited));
      why = Loop(session, client, inbox).run();
      if (outbox.overrun()) {
        why = fmt::format("the client leaves more than {} MiB unread", Outbox::max_unread >> 20);
      }
      if (session.phase != Phase::over) session.leave(Leaving::vanished);
    }
    outbox.flush(); // the answer to disconnect among them
    channel.shut();
    reader.join();
  }
  if (why.empty()) return 0;
  std::fprintf(stderr, "kvmdbg-dap: %s\n", why.c_str());
  return 1;
}

} // namespace kdbg::dap
