#pragma once
/// The head of one HTTP request, out of bytes that come in pieces. Knows no socket and no address.
#include "adapter/result.hpp"

#include <memory>
#include <string_view>
#include <vector>

namespace kdbg::server {

struct HttpField {
  std::string name, value;
};

struct HttpRequest {
  std::string method, target; ///< as sent
  bool version_1_1 = false;
  bool has_body = false;           ///< it announces one
  std::vector<HttpField> fields{}; ///< in the order of the request

  /// The values of all fields of this name, whatever its case.
  std::vector<std::string_view> values(std::string_view name) const;
};

/// Takes bytes until the empty line that ends a head; never looks at one behind it.
class HttpHead {
public:
  static constexpr std::size_t longest = 16384; ///< bytes of a head
  HttpHead();
  ~HttpHead();
  HttpHead(const HttpHead&) = delete;
  HttpHead& operator=(const HttpHead&) = delete;

  /// How many of the bytes belong to the head. bad_request when this is no HTTP/1 request, or one
  /// that is too long; then it takes no more.
  Result<std::size_t> take(std::string_view bytes);
  bool whole() const;
  /// Of a whole head.
  HttpRequest request() const;

private:
  struct Parsing;
  std::unique_ptr<Parsing> parsing_;
};

} // namespace kdbg::server
