#include "protocols/gdb/codec.hpp"

#include "protocols/gdb/text.hpp"

#include <fmt/format.h>
#include <numeric>

namespace kdbg::gdb {
namespace {

constexpr char escape = '}';
constexpr char escape_flip = 0x20;
constexpr char interrupt_byte = 0x03;

/// '*' starts a run in what a client reads, so it is escaped too.
constexpr bool needs_escape(char c) {
  return c == '#' || c == '$' || c == '}' || c == '*';
}

char flipped(char c) {
  return static_cast<char>(c ^ escape_flip);
}

/// "c*n" is c and n - 29 more of it.
constexpr std::size_t repeat_bias = 29, fewest_repeats = 3, most_repeats = '~' - repeat_bias;

/// A count must not look like what frames, acknowledges, escapes or starts a run.
constexpr bool sayable(std::size_t repeats) {
  const char count = static_cast<char>(repeat_bias + repeats);
  return !needs_escape(count) && count != '+' && count != '-';
}

/// How many more of its first byte `text` begins with, as far as one count says it; 0 when that
/// would not be shorter.
std::size_t repeats(std::string_view text) {
  const std::size_t limit = std::min(text.size(), most_repeats + 1);
  std::size_t more = 0;
  while (more + 1 < limit && text[more + 1] == text[0]) {
    ++more;
  }
  if (more < fewest_repeats) return 0;
  while (!sayable(more)) {
    --more;
  }
  return more;
}

} // namespace

std::optional<Token> Decoder::next(ByteView& input) {
  while (!input.empty()) {
    const char c = static_cast<char>(input.front());
    input = input.subspan(1);
    if (auto token = feed(c)) return token;
  }
  return {};
}

std::optional<Token> Decoder::feed(char c) {
  switch (state_) {
  case State::idle:
    return between_packets(c);
  case State::payload:
    if (c == '#') {
      state_ = State::high_digit;
    } else if (c == '$') { // never inside a packet: the last one was cut off
      begin(Token::Kind::packet);
    } else {
      store(c);
    }
    return {};
  case State::high_digit:
    if (c == '$') {
      begin(Token::Kind::packet);
      return {};
    }
    token_.checksum = c;
    state_ = State::low_digit;
    return {};
  case State::low_digit:
    return finish(c);
  }
  return {};
}

std::optional<Token> Decoder::between_packets(char c) {
  switch (c) {
  case '$':
    begin(Token::Kind::packet);
    return {};
  case '%':
    begin(Token::Kind::notification);
    return {};
  case '+':
    return Token{.kind = Token::Kind::ack, .payload = {}, .checksum = {}};
  case '-':
    return Token{.kind = Token::Kind::nak, .payload = {}, .checksum = {}};
  case interrupt_byte:
    return Token{.kind = Token::Kind::interrupt, .payload = {}, .checksum = {}};
  default:
    return {};
  }
}

void Decoder::begin(Token::Kind kind) {
  token_ = Token{};
  token_.kind = kind;
  state_ = State::payload;
  escaped_ = false;
  length_ = 0;
  sum_ = 0;
}

void Decoder::store(char c) {
  sum_ = static_cast<std::uint8_t>(sum_ + static_cast<std::uint8_t>(c));
  if (++length_ > max_payload) { // counted on, so that its end is found, but not kept
    if (token_.kind == Token::Kind::packet) token_.kind = Token::Kind::oversize;
    token_.payload = {};
    return;
  }
  if (escaped_) {
    token_.payload += flipped(c);
  } else if (c != escape) {
    token_.payload += c;
  }
  escaped_ = !escaped_ && c == escape;
}

Token Decoder::finish(char low) {
  const auto high_digit = hex_digit(token_.checksum.front());
  const auto low_digit = hex_digit(low);
  token_.checksum += low;
  token_.checksum_ok = high_digit && low_digit && (*high_digit << 4 | *low_digit) == sum_;
  state_ = State::idle;
  return std::exchange(token_, Token{});
}

std::string frame(std::string_view payload, Runs runs) {
  const bool shorten = runs == Runs::shortened && payload.size() >= worth_shortening;
  std::string framed = "$";
  framed.reserve(payload.size() + 4);
  for (std::size_t i = 0; i < payload.size(); ++i) {
    const char c = payload[i];
    if (needs_escape(c)) {
      framed += {escape, flipped(c)};
      continue;
    }
    framed += c;
    if (!shorten) continue;
    if (const std::size_t more = repeats(payload.substr(i)); more > 0) {
      framed += {'*', static_cast<char>(repeat_bias + more)};
      i += more;
    }
  }
  const auto sum =
      std::accumulate(framed.begin() + 1, framed.end(), 0U,
                      [](unsigned total, char c) { return total + static_cast<unsigned char>(c); });
  return framed + fmt::format("#{:02x}", sum & 0xff);
}

std::size_t escaped_length(std::string_view payload) {
  std::size_t length = payload.size();
  for (char c : payload) {
    length += needs_escape(c) ? 1 : 0;
  }
  return length;
}

std::string_view fit(std::string_view payload, std::size_t room) {
  std::size_t used = 0;
  for (std::size_t i = 0; i < payload.size(); ++i) {
    used += needs_escape(payload[i]) ? 2 : 1;
    if (used > room) return payload.substr(0, i);
  }
  return payload;
}

} // namespace kdbg::gdb
