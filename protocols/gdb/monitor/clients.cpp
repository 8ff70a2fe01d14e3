// Who is connected, and who may move the guest.
#include "adapter/commands.hpp"
#include "protocols/gdb/jkvm/values.hpp"
#include "protocols/gdb/monitor/command.hpp"

#include <fmt/format.h>

namespace kdbg::gdb::monitor {
namespace {

std::uint32_t number(ClientId id) {
  return static_cast<std::uint32_t>(id);
}

Output list(Conversation& c, std::string_view) {
  std::string text;
  for (const ClientInfo& client : TRY(c.session.execute(ListClients{}))) {
    text += fmt::format("client {}{}: {}, {} points{}{}\n", number(client.id),
                        client.id == c.session.id() ? " (you)" : "",
                        client.name.empty() ? "from nowhere" : client.name, client.points,
                        client.drives ? ", has run control" : "",
                        client.role == Role::observe ? ", may only observe" : "");
  }
  return text;
}

Output take(Conversation& c, std::string_view) {
  const auto before = TRY(take_control(c));
  return fmt::format("run control: client {}, before: {}\n", number(c.session.id()),
                     before ? fmt::format("client {}", number(*before)) : "nobody");
}

constexpr Command commands[] = {
    {"clients", "", "who is connected, and who has run control",
     "Run control belongs to the client that moved the guest first, until it leaves.\n", &list},
    {"take", "", "take run control over",
     "From now on this client moves the guest. The one that had run control is not asked: its "
     "next\n"
     "continue or step is refused with this client's number, and it can take control back.\n",
     &take},
};

} // namespace

Commands client_commands() {
  return commands;
}

} // namespace kdbg::gdb::monitor
