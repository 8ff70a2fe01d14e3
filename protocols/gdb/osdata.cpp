#include "protocols/gdb/osdata.hpp"

#include "adapter/commands.hpp"
#include "protocols/gdb/conversation.hpp"
#include "protocols/gdb/jkvm/values.hpp"
#include "protocols/gdb/target_xml.hpp"
#include "protocols/gdb/xfer.hpp"

#include <fmt/format.h>

namespace kdbg::gdb {
namespace {

Result<Lines> show_vcpus(Conversation& c) {
  Lines lines;
  for (const VcpuState& state : TRY(list_vcpus(c))) {
    lines.push_back({{"vCPU", fmt::format("{}", index(state.vcpu))},
                     {"Thread", render_thread(c, state.vcpu)},
                     {"Mode", state.running ? "running" : state.mode},
                     {"Stopped by", state.why}});
  }
  return lines;
}

Result<Lines> list_points(Conversation& c) {
  Lines lines;
  for (const PointState& state : TRY(c.session.execute(ListPoints{}))) {
    lines.push_back({{"Point", describe(state.point)},
                     {"Method", state.strategy},
                     {"Hits", fmt::format("{}", state.hits)}});
  }
  return lines;
}

Result<Lines> list_clients(Conversation& c) {
  Lines lines;
  for (const ClientInfo& client : TRY(c.session.execute(ListClients{}))) {
    lines.push_back({{"Client", fmt::format("{}", static_cast<std::uint32_t>(client.id))},
                     {"From", client.name},
                     {"Points", fmt::format("{}", client.points)},
                     {"Run control", client.drives ? "yes" : "no"}});
  }
  return lines;
}

Result<Lines> list_types(Conversation& c);

struct Type {
  std::string_view name, title, description;
  Result<Lines> (*list)(Conversation& c);
};
constexpr Type types[] = {
    {"", "Types", "", &list_types},
    {"vcpus", "vCPUs", "the machine's processors, their modes and why they stopped", &show_vcpus},
    {"points", "Points", "breakpoints and watchpoints of all clients", &list_points},
    {"clients", "Clients", "who is connected, and who has run control", &list_clients},
};

Result<Lines> list_types(Conversation&) {
  Lines lines;
  for (const Type& type : types) {
    if (type.name.empty()) continue;
    lines.push_back({{"Type", std::string(type.name)},
                     {"Description", std::string(type.description)},
                     {"Title", std::string(type.title)}});
  }
  return lines;
}

Answer read(Conversation& c, std::string_view arguments) {
  const Request request = TRY(parse_request(arguments));
  for (const Type& type : types) {
    if (type.name != request.annex) continue;
    const Lines lines = TRY(type.list(c));
    return slice(render_osdata(type.name.empty() ? "types" : type.name, lines), request);
  }
  return no_such_annex();
}

constexpr Row rows[] = {
    {"qXfer:osdata:read:", Row::Match::prefix, &read, Row::Reply::binary},
};

} // namespace

std::string render_osdata(std::string_view type, const Lines& lines) {
  auto text = fmt::format("<?xml version=\"1.0\"?>\n<!DOCTYPE osdata SYSTEM \"osdata.dtd\">\n"
                          "<osdata type=\"{}\">\n",
                          type);
  for (const auto& line : lines) {
    text += "<item>\n";
    for (const Column& column : line) {
      text +=
          fmt::format("<column name=\"{}\">{}</column>\n", column.name, escape_xml(column.value));
    }
    text += "</item>\n";
  }
  return text + "</osdata>\n";
}

Table osdata_packets() {
  return rows;
}

} // namespace kdbg::gdb
