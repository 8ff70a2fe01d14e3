// Throws bytes at what a debug adapter's client says: frames, messages, arguments, references to
// memory. The same bytes, whole and in pieces, must give the same messages; what is read is within
// its type's limits and comes out as it went in; every answer is a frame with valid JSON in it.
#include "protocols/dap/message/address.hpp"
#include "protocols/dap/message/base64.hpp"
#include "protocols/dap/message/exceptions.hpp"
#include "protocols/dap/message/framing.hpp"
#include "protocols/dap/message/message.hpp"
#include "tests/fuzz/choices.hpp"

#include <string>

namespace {

using namespace kdbg;
using namespace kdbg::dap;
using fuzz::require;

/// A field of each shape.
struct Inner {
  std::uint32_t line = 0;
  std::optional<std::string> condition;
  static constexpr auto fields() {
    return std::tuple{dap::required("line", &Inner::line),
                      dap::optional("condition", &Inner::condition)};
  }
};
struct Arguments {
  std::int32_t thread = 0;
  std::int64_t offset = 0;
  std::uint64_t count = 0;
  bool single = false;
  std::string name;
  Json any;
  std::vector<Inner> list;
  static constexpr auto fields() {
    using A = Arguments;
    return std::tuple{
        dap::required("threadId", &A::thread), dap::optional("offset", &A::offset),
        dap::optional("count", &A::count),     dap::optional("singleThread", &A::single),
        dap::optional("name", &A::name),       dap::optional("any", &A::any),
        dap::optional("breakpoints", &A::list)};
  }
};

struct Outcome {
  std::vector<std::string> messages;
  bool refused = false, pending = false;
  bool operator==(const Outcome&) const = default;
};

Outcome unframed(std::string_view said, std::size_t piece) {
  Outcome out;
  Unframer unframer;
  for (std::size_t at = 0; at < said.size() && !out.refused; at += piece) {
    unframer.feed(said.substr(at, piece));
    for (auto next = unframer.next(); !std::holds_alternative<Unframer::Incomplete>(next);
         next = unframer.next()) {
      out.refused = std::holds_alternative<Error>(next);
      if (out.refused) break;
      out.messages.push_back(std::get<std::string>(next));
      require(out.messages.back().size() <= said.size());
    }
  }
  out.pending = unframer.pending();
  return out;
}

void check_framing(std::string_view said, std::size_t piece) {
  const Outcome whole = unframed(said, std::max<std::size_t>(said.size(), 1));
  const Outcome pieces = unframed(said, piece);
  // a header that does not end is seen at once, or only when more has come
  require(whole.messages == pieces.messages);
  require(whole.refused == pieces.refused);
  std::string again;
  for (const std::string& message : whole.messages) {
    again += frame(message);
  }
  const Outcome framed = unframed(again, piece);
  require(framed.messages == whole.messages && !framed.refused && !framed.pending);
}

void check_answer(const std::string& text) {
  require(!Json::parse(text, nullptr, false).is_discarded());
}

void check_arguments(const Json& json) {
  auto taken = read<Arguments>(json, "");
  if (!taken) return require(!taken.error().what.empty());
  const Json written = write(*taken);
  auto again = read<Arguments>(written, "");
  require(again && write(*again) == written);
  require(json["threadId"].get<std::int64_t>() == taken->thread);
  for (const Inner& one : taken->list) {
    require(!one.condition || one.condition->size() <= json.dump().size());
  }
}

void check_message(std::string_view text) {
  const auto parsed = parse_request(text);
  if (const auto* off = std::get_if<Malformed>(&parsed)) {
    return check_answer(error_response(1, off->seq, off->command, off->error));
  }
  const auto& request = std::get<Request>(parsed);
  require(request.arguments.is_object());
  check_answer(response(1, request, request.arguments));
  check_answer(event(2, request.command, request.arguments));
  check_arguments(request.arguments);
}

void check_words(std::string_view text) {
  if (auto at = parse_reference(text, "memoryReference")) {
    require(!moved(*at, INT64_MIN, "offset") || at->value >= std::uint64_t{1} << 63);
    auto next = moved(*at, 1, "offset");
    require(next ? next->value == at->value + 1 : at->value == UINT64_MAX);
  }
  auto number = parse_number(text);
  require(bool(number) == bool(parse_address(text, "address")));
  if (auto bytes = from_base64(text)) require(from_base64(to_base64(*bytes)) == bytes);
  if (auto raised = parse_raised(text)) {
    require(!raised->name.empty());
    if (raised->error) require(!describe_error(raised->name, *raised->error).empty());
  }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view said(reinterpret_cast<const char*>(data) + 1, size - 1);
  check_framing(said, 1U + data[0] % 64);
  check_message(said);
  check_words(said);
  return 0;
}
