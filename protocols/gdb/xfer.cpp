#include "protocols/gdb/xfer.hpp"

#include "adapter/commands.hpp"
#include "protocols/gdb/codec.hpp"
#include "protocols/gdb/conversation.hpp"
#include "protocols/gdb/target_xml.hpp"
#include "protocols/gdb/text.hpp"
#include "protocols/gdb/threads.hpp"

#include <fmt/format.h>

namespace kdbg::gdb {

Result<Request> parse_request(std::string_view arguments) {
  Request request;
  Scanner scanner(arguments);
  request.annex = scanner.until(':');
  request.offset = TRY(scanner.hex("offset"));
  TRY(scanner.expect(','));
  request.length = TRY(scanner.hex("length"));
  TRY(scanner.finish());
  return request;
}

Answer slice(const std::string& document, const Request& request) {
  if (request.offset > document.size()) {
    return Error{Code::bad_request,
                 fmt::format("offset {} is beyond the end at {}", request.offset, document.size())};
  }
  std::string_view rest(document);
  rest.remove_prefix(static_cast<std::size_t>(request.offset));
  const auto asked = static_cast<std::size_t>(std::min<std::uint64_t>(request.length, rest.size()));
  const std::string_view piece = fit(rest.substr(0, asked), max_payload - 1);
  return say((piece.size() == rest.size() ? "l" : "m") + std::string(piece));
}

Answer no_such_annex() {
  return say("E00");
}

namespace {

Answer read_features(Conversation& c, std::string_view arguments) {
  const Request request = TRY(parse_request(arguments));
  if (request.annex != "target.xml") return no_such_annex();
  return slice(render_target_xml(c.target().arch()), request);
}

Answer read_threads(Conversation& c, std::string_view arguments) {
  const Request request = TRY(parse_request(arguments));
  if (!request.annex.empty()) return no_such_annex();
  return slice(render_threads(c), request);
}

/// header, or header.ADDRESS with a VMCOREINFO note from there.
Result<DescribeCore> parse_header_annex(std::string_view annex) {
  Scanner scanner(annex);
  scanner.until('.');
  if (scanner.done()) return DescribeCore{};
  const std::uint64_t place = TRY(scanner.hex("address"));
  TRY(scanner.finish());
  return DescribeCore{place};
}

/// fADDRESS found, mADDRESS go on from there, l nowhere.
Answer search_core(Conversation& c, std::string_view arguments) {
  Scanner scanner(arguments);
  const std::uint64_t from = TRY(scanner.hex("address"));
  TRY(scanner.finish());
  const CoreSearch search = TRY(c.session.execute(SearchCore{from}));
  if (search.found) return say(fmt::format("f{:x}", *search.found));
  return say(search.next ? fmt::format("m{:x}", *search.next) : "l");
}

/// What stands before the memory in a core file, and the number of the stop that it was made at: a
/// client that copies the memory by itself compares that before and after.
Answer read_core(Conversation& c, std::string_view arguments) {
  const Request request = TRY(parse_request(arguments));
  if (request.annex.starts_with("header")) {
    const DescribeCore which = TRY(parse_header_annex(request.annex));
    const Bytes header = TRY(c.session.execute(which));
    return slice(std::string(text_of(header)), request);
  }
  if (request.annex != "stop") return no_such_annex();
  if (c.session.running()) {
    return Error{Code::running, "the guest is running; interrupt it first"};
  }
  return slice(fmt::format("{}", c.target().stop().epoch), request);
}

constexpr Row rows[] = {
    {"qXfer:features:read:", Row::Match::prefix, &read_features, Row::Reply::binary},
    {"qXfer:threads:read:", Row::Match::prefix, &read_threads, Row::Reply::binary},
    {"qXfer:core:read:", Row::Match::prefix, &read_core, Row::Reply::binary},
    {"qCoreSearch:", Row::Match::prefix, &search_core, Row::Reply::binary},
};

} // namespace

Table xfer_packets() {
  return rows;
}

} // namespace kdbg::gdb
