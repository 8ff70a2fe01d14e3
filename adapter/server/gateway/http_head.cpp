#include "adapter/server/gateway/http_head.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>

#include <fmt/format.h>

namespace kdbg::server {

namespace beast = boost::beast;
namespace http = beast::http;

struct HttpHead::Parsing {
  http::request_parser<http::empty_body> parser;
  std::string pending; ///< a line that is not whole yet
  std::size_t taken = 0;
};

HttpHead::HttpHead() : parsing_(std::make_unique<Parsing>()) {
  parsing_->parser.header_limit(longest);
  parsing_->parser.eager(false);
  // a body is refused by whoever reads the head, with a better text
  parsing_->parser.body_limit(boost::none);
}

HttpHead::~HttpHead() = default;

Result<std::size_t> HttpHead::take(std::string_view bytes) {
  Parsing& p = *parsing_;
  const std::size_t before = p.pending.size();
  if (p.taken + before > longest) return Error{Code::bad_request, "the head was refused already"};
  p.pending += bytes;
  std::size_t used = 0;
  beast::error_code error;
  while (used < p.pending.size() && !p.parser.is_header_done() && !error) {
    const std::size_t count =
        p.parser.put(boost::asio::buffer(p.pending.data() + used, p.pending.size() - used), error);
    used += count;
    if (count == 0) break;
  }
  if (error == http::error::need_more) error = {};
  p.taken += used;
  p.pending.erase(0, used);
  if (!error && !whole() && p.taken + p.pending.size() > longest) error = http::error::header_limit;
  if (error) {
    p.taken = longest + 1;
    return Error{Code::bad_request,
                 error == http::error::header_limit
                     ? fmt::format("the head of the request has more than {} bytes", longest)
                     : "no HTTP request: " + error.message()};
  }
  if (!whole()) return bytes.size();
  return bytes.size() - std::exchange(p.pending, {}).size();
}

bool HttpHead::whole() const {
  return parsing_->parser.is_header_done();
}

HttpRequest HttpHead::request() const {
  assert(whole());
  const auto& parser = parsing_->parser;
  const auto& message = parser.get();
  HttpRequest out;
  out.method = message.method_string();
  out.target = message.target();
  out.version_1_1 = message.version() == 11;
  const auto length = message[http::field::content_length];
  out.has_body = (!length.empty() && length != "0") ||
                 message.find(http::field::transfer_encoding) != message.end();
  for (const auto& field : message) {
    out.fields.push_back({std::string(field.name_string()), std::string(field.value())});
  }
  return out;
}

std::vector<std::string_view> HttpRequest::values(std::string_view name) const {
  std::vector<std::string_view> out;
  for (const HttpField& field : fields) {
    if (beast::iequals(field.name, name)) out.emplace_back(field.value);
  }
  return out;
}

} // namespace kdbg::server
