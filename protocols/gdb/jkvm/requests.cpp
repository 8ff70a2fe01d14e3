#include "protocols/gdb/jkvm/requests.hpp"

#include "adapter/commands.hpp"
#include "protocols/gdb/codec.hpp"
#include "protocols/gdb/jkvm/help.hpp"
#include "protocols/gdb/jkvm/notify.hpp"
#include "protocols/gdb/jkvm/to_json.hpp"
#include "protocols/gdb/jkvm/wishes.hpp"
#include "protocols/gdb/text.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace kdbg::gdb {
namespace jkvm {
namespace {

using Reply = Result<Json>;

Error bad(std::string what) {
  return Error{Code::bad_request, std::move(what)};
}

Result<VcpuId> vcpu_in(Conversation& c, const Json& arguments) {
  const std::uint64_t number = number_in(arguments, "vcpu").value_or(index(c.general));
  const std::size_t count = c.target().vcpu_count();
  if (number < count) return static_cast<VcpuId>(number);
  return Error{Code::no_such_vcpu, fmt::format("no vCPU {}: the machine has {}", number, count)};
}

/// [least, most], or `usual` where it is absent.
Result<std::uint64_t> number_within(const Json& arguments,
                                    std::string_view name,
                                    std::uint64_t usual,
                                    std::uint64_t least,
                                    std::uint64_t most) {
  const std::uint64_t number = number_in(arguments, name).value_or(usual);
  if (number >= least && number <= most) return number;
  return bad(fmt::format("\"{}\" is {}: {} to {}", name, number, least, most));
}

template <class List>
Json listed(std::string_view name, const List& list) {
  Json json = Json::array();
  for (const auto& each : list) {
    json.push_back(to_json(each));
  }
  return Json{{std::string(name), std::move(json)}};
}

Json run_state(Conversation& c) {
  return Json{{"running", c.session.running()}, {"epoch", c.target().stop().epoch}};
}

Reply capabilities(Conversation& c, const Json&) {
  Json json = {{"arch", c.target().arch().name}, {"vcpus", c.target().vcpu_count()}};
  json.update(to_json(c.target().capabilities()));
  return json;
}

Reply points(Conversation& c, const Json&) {
  return listed("points", TRY(c.session.execute(ListPoints{})));
}

Reply insert(Conversation& c, const Json& arguments) {
  const VcpuId vcpu = TRY(vcpu_in(c, arguments));
  const Point point = TRY(point_in(arguments));
  Rule rule = TRY(rule_in(c, arguments));
  TRY(c.session.execute(InsertPoint{vcpu, point, std::move(rule)}));
  for (const PointState& state : TRY(c.session.execute(ListPoints{}))) {
    if (state.point == point) return to_json(state);
  }
  return bad(describe(point) + " has been taken out already");
}

Reply remove(Conversation& c, const Json& arguments) {
  const Point point = TRY(point_in(arguments));
  TRY(c.session.execute(RemovePoint{point}));
  return to_json(point);
}

Reply clients(Conversation& c, const Json&) {
  Json list = Json::array();
  for (const ClientInfo& client : TRY(c.session.execute(ListClients{}))) {
    list.push_back(to_json(client, c.session.id()));
  }
  return Json{{"clients", std::move(list)}};
}

Reply take(Conversation& c, const Json&) {
  const auto before = TRY(take_control(c));
  return Json{{"before", to_json(before)}, {"now", to_json(c.session.id())}};
}

constexpr std::size_t longest_name = 80; // bytes

Reply hello(Conversation& c, const Json& arguments) {
  const std::string role = arguments.value("role", std::string("control"));
  if (role != "control" && role != "observe") {
    return bad(fmt::format("\"role\" is \"{}\": control or observe", role));
  }
  const auto name = arguments["name"].get<std::string>();
  if (name.empty() || name.size() > longest_name ||
      std::any_of(name.begin(), name.end(), [](unsigned char letter) { return letter < ' '; })) {
    return bad(fmt::format("\"name\" is {}: 1 to {} bytes of text", render(name), longest_name));
  }
  const auto told = TRY(c.session.execute(Introduce{name, role == "observe"}));
  return Json{
      {"client", to_json(c.session.id())}, {"pairing", told.pairing}, {"role", to_json(told.role)}};
}

Reply follower(Conversation& c, const Json& arguments) {
  TRY(c.session.follow(arguments["pairing"].get<std::string>()));
  return Json{{"client", to_json(c.session.id())}};
}

/// Of those that take nothing and tell how the guest stands then.
template <class Command>
Reply act(Conversation& c, const Json&) {
  TRY(c.session.execute(Command{}));
  return run_state(c);
}

Reply rest(Conversation& c, const Json&) {
  const bool again = TRY(c.session.execute(Rest{}));
  Json json = run_state(c);
  json["again"] = again;
  return json;
}

Reply vcpus(Conversation& c, const Json&) {
  Json list = Json::array();
  for (const VcpuState& state : TRY(list_vcpus(c))) {
    list.push_back(to_json(state, render_thread(c, state.vcpu)));
  }
  Json json = run_state(c);
  json["vcpus"] = std::move(list);
  return json;
}

Reply walk(Conversation& c, const Json& arguments) {
  const VcpuId vcpu = TRY(vcpu_in(c, arguments));
  Address at{*number_in(arguments, "address")};
  if (const auto root = number_in(arguments, "root")) at.space = {Space::Kind::root, *root};
  return to_json(TRY(c.session.execute(Translate{vcpu, at})), at.value);
}

Reply descriptor_tables(Conversation& c, const Json& arguments) {
  constexpr std::uint64_t most = 256;
  const auto table = arguments["table"].get<std::string>();
  const TableKind kind = TRY(parse_table(table));
  const VcpuId vcpu = TRY(vcpu_in(c, arguments));
  const std::uint64_t first = number_in(arguments, "first").value_or(0);
  const std::uint64_t count = TRY(number_within(arguments, "count", most, 1, most));
  const DescriptorList found = TRY(c.session.execute(ReadDescriptors{vcpu, kind, first, count}));
  Json json = {{"table", table}, {"base", hex(found.base)}, {"limit", hex(found.limit)}};
  json.update(listed("entries", found.entries));
  return json;
}

Reply msr(Conversation& c, const Json& arguments) {
  const VcpuId vcpu = TRY(vcpu_in(c, arguments));
  const auto number =
      static_cast<std::uint32_t>(TRY(number_within(arguments, "number", 0, 0, 0xffffffff)));
  if (const auto value = number_in(arguments, "value")) {
    TRY(c.session.execute(WriteMsr{vcpu, number, *value}));
  }
  const std::uint64_t value = TRY(c.session.execute(ReadMsr{vcpu, number}));
  return Json{{"number", hex(number)}, {"value", hex(value)}};
}

Reply stops(Conversation& c, const Json& arguments) {
  const std::uint64_t count = TRY(number_within(arguments, "count", 32, 1, 256));
  return listed("stops", TRY(c.session.execute(ListStops{count})));
}

Reply console(Conversation& c, const Json& arguments) {
  const std::string typed = arguments.value("type", std::string());
  if (typed.empty()) return Json{{"text", TRY(c.session.execute(ReadConsole{}))}};
  return Json{{"text", TRY(c.session.execute(Console{typed}))}};
}

Reply phys_read(Conversation& c, const Json& arguments) {
  const Address at{*number_in(arguments, "address"), {Space::Kind::physical}};
  const std::uint64_t length = TRY(number_within(arguments, "length", 0, 1, 0x8000));
  const Bytes data = TRY(c.session.execute(ReadMemory{c.general, at, length}));
  return Json{{"address", hex(at.value)}, {"data", to_hex(data)}};
}

Reply phys_write(Conversation& c, const Json& arguments) {
  const Address at{*number_in(arguments, "address"), {Space::Kind::physical}};
  const Bytes data = TRY(from_hex(arguments["data"].get<std::string>()));
  TRY(c.session.execute(WriteMemory{c.general, at, data}));
  return Json{{"address", hex(at.value)}, {"length", data.size()}};
}

/// One point for each vector that the list names.
Result<std::vector<Point>> exception_points(const Json& arguments, std::string_view name) {
  std::vector<Point> points;
  if (!arguments.contains(name)) return points;
  for (const Json& each : arguments[std::string(name)]) {
    auto vector = as_number(each);
    if (!vector && each.is_string()) vector = exception_named(each.get<std::string>());
    if (!vector || *vector > 255) {
      return bad(fmt::format("{} is no exception: a vector from 0 to 255, or a name as \"#PF\"",
                             render(each)));
    }
    Point point{PointKind::exception, {*vector}};
    point.value = number_in(arguments, "error");
    points.push_back(point);
  }
  return points;
}

Reply exceptions(Conversation& c, const Json& arguments) {
  const auto set = TRY(exception_points(arguments, "set"));
  const auto clear = TRY(exception_points(arguments, "clear"));
  for (const Point& point : clear) {
    TRY(c.session.execute(RemovePoint{point}));
  }
  for (const Point& point : set) {
    TRY(c.session.execute(InsertPoint{c.general, point}));
  }
  Json list = Json::array();
  for (const PointState& state : TRY(list_catchpoints(c))) {
    if (state.point.kind != PointKind::exception) continue;
    Json json = {{"vector", state.point.at.value},
                 {"count", state.point.length},
                 {"name", exception_name(state.point.at.value)}};
    if (state.point.value) json["error"] = hex(*state.point.value);
    json["hits"] = state.hits;
    json["owners"] = to_json(state.owners);
    list.push_back(std::move(json));
  }
  return Json{{"exceptions", std::move(list)}};
}

Reply trace(Conversation& c, const Json&) {
  return Json{{"on", c.session.trace().on()}};
}

Reply subscribe(Conversation& c, const Json& arguments) {
  c.subscribed = TRY(parse_subscription(arguments["events"]));
  return Json{{"events", subscription(c.subscribed)}};
}

Reply help(Conversation&, const Json& arguments) {
  return describe_requests(arguments.value("name", std::string()));
}

struct Handled {
  std::string_view name;
  Reply (*handler)(Conversation& c, const Json& arguments);
};
constexpr std::array handlers = {
    Handled{"capabilities", &capabilities},
    Handled{"points", &points},
    Handled{"insert", &insert},
    Handled{"remove", &remove},
    Handled{"clients", &clients},
    Handled{"takeControl", &take},
    Handled{"hello", &hello},
    Handled{"follower", &follower},
    Handled{"follow", &act<KeepPoints>},
    Handled{"drive", &act<Drive>},
    Handled{"rest", &rest},
    Handled{"interrupt", &act<Interrupt>},
    Handled{"reset", &act<ResetMachine>},
    Handled{"powerOff", &act<PowerOff>},
    Handled{"vcpus", &vcpus},
    Handled{"walk", &walk},
    Handled{"descriptorTables", &descriptor_tables},
    Handled{"msr", &msr},
    Handled{"stops", &stops},
    Handled{"console", &console},
    Handled{"physRead", &phys_read},
    Handled{"physWrite", &phys_write},
    Handled{"exceptions", &exceptions},
    Handled{"trace", &trace},
    Handled{"subscribe", &subscribe},
    Handled{"help", &help},
};
static_assert(std::equal(handlers.begin(),
                         handlers.end(),
                         requests.begin(),
                         requests.end(),
                         [](const Handled& one, const Schema& other) {
                           return one.name == other.name;
                         }),
              "a handler for each row of the schema, in its order");

/// NAME or NAME:{…}
Reply run(Conversation& c, std::string_view packet) {
  Scanner scanner(packet);
  const std::string_view name = scanner.until(':');
  const auto schema = std::find_if(requests.begin(), requests.end(),
                                   [&](const Schema& each) { return each.name == name; });
  if (schema == requests.end()) {
    return Error{Code::unsupported, fmt::format("no request jKvm.{}; jKvm.help lists them", name)};
  }
  const Json arguments = TRY(parse_arguments(*schema, scanner.rest()));
  return handlers[static_cast<std::size_t>(schema - requests.begin())].handler(c, arguments);
}

/// Always with words: whoever sends one of our packets takes them.
Answer answer(Conversation& c, std::string_view packet) {
  constexpr Features in_words{.error_text = true};
  const Reply reply = run(c, packet);
  if (!reply) return say(render_error(in_words, reply.error()));
  std::string text = render(*reply);
  const std::size_t length = escaped_length(text);
  if (length <= max_payload) return say(std::move(text));
  return say(render_error(
      in_words, bad(fmt::format("an answer of {} bytes, and {} is a packet's limit: ask for less",
                                length, max_payload))));
}

constexpr Row rows[] = {{"jKvm.", Row::Match::prefix, &answer, Row::Reply::binary}};

} // namespace
} // namespace jkvm

Table jkvm_packets() {
  return jkvm::rows;
}

} // namespace kdbg::gdb
