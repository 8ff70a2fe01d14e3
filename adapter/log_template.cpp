// A line with {expression} pieces becomes one printf.
#include "adapter/bytecode.hpp"
#include "adapter/expression.hpp"

#include <fmt/format.h>

namespace kdbg {
namespace {

/// The pieces of a log line: a printf format, and each value's text and column.
struct Line {
  std::string format;
  std::vector<std::pair<std::string_view, std::size_t>> values;
};

/// x, d, u, c, s as printf says it; null for what is none.
const char* conversion(std::string_view form) {
  constexpr std::pair<std::string_view, const char*> forms[] = {
      {"", "%#lx"}, {"x", "%#lx"}, {"d", "%ld"}, {"u", "%lu"}, {"c", "%c"}, {"s", "%s"}};
  for (const auto& [word, text] : forms) {
    if (word == form) return text;
  }
  return nullptr;
}

/// What stands between braces; `at` is the offset of its first character.
Status add_value(Line& line, std::string_view piece, std::size_t at) {
  const std::size_t colon = piece.rfind(':');
  const std::string_view form =
      colon == std::string_view::npos ? std::string_view() : piece.substr(colon + 1);
  const char* const spec = conversion(form);
  if (spec == nullptr) {
    return Error{Code::bad_request, fmt::format("column {}: no form \"{}\": x, d, u, c and s are",
                                                at + colon + 2, form)};
  }
  line.values.emplace_back(piece.substr(0, colon), at + 1);
  line.format += spec;
  return Done{};
}

Result<Line> split(std::string_view text) {
  Line line;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if ((c == '{' || c == '}') && at + 1 < text.size() && text[at + 1] == c) {
      line.format += text[at++];
    } else if (c == '{') {
      const std::size_t end = text.find('}', at);
      if (end == std::string_view::npos) {
        return Error{Code::bad_request, fmt::format("column {}: no }} ends this {{", at + 1)};
      }
      TRY(add_value(line, text.substr(at + 1, end - at - 1), at + 1));
      at = end;
    } else if (c == '}') {
      return Error{Code::bad_request, fmt::format("column {}: a lone }}: say }}}}", at + 1)};
    } else {
      if (c == '%') line.format += '%';
      if (c == '\\') line.format += '\\';
      line.format += c;
    }
  }
  return line;
}

} // namespace

/// The last value goes onto the stack first; above all of them printf wants a channel and a
/// function.
Result<Expression> compile_log(std::string_view text, const Names& names) {
  const Line line = TRY(split(text));
  constexpr std::size_t most_values = 64;
  if (line.values.size() > most_values) {
    return Error{Code::bad_request, fmt::format("{} expressions in one line: {} at most",
                                                line.values.size(), most_values)};
  }
  Bytes code;
  for (std::size_t i = line.values.size(); i-- > 0;) {
    const auto& [piece, column] = line.values[i];
    const Bytes value = TRY(compile_value(piece, names, column, code.size()));
    code.insert(code.end(), value.begin(), value.end());
  }
  for (int i = 0; i < 2; ++i) {
    code.push_back(static_cast<std::byte>(Op::const8));
    code.push_back(std::byte{0});
  }
  const std::size_t length = line.format.size() + 1;
  code.push_back(static_cast<std::byte>(Op::printf));
  for (const std::size_t byte : {line.values.size(), length >> 8, length}) {
    code.push_back(static_cast<std::byte>(byte));
  }
  const auto format = std::as_bytes(std::span(line.format.c_str(), length));
  code.insert(code.end(), format.begin(), format.end());
  code.push_back(static_cast<std::byte>(Op::end));
  TRY(check_bytecode(code));
  return Expression{std::move(code), fmt::format("\"{}\"", text)};
}

} // namespace kdbg
