#include "protocols/gdb/codec.hpp"

#include "protocols/gdb/text.hpp"

#include <algorithm>

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

// These two see every byte of a large answer. They are simple loops for the compiler to vectorise
// (CMakeLists.txt asks it to).
std::size_t count_escapes(std::string_view text) {
  constexpr std::size_t block = 128; // a byte counts that far
  std::size_t count = 0;
  while (!text.empty()) {
    std::uint8_t here = 0;
    for (const char c : text.substr(0, block)) {
      here = static_cast<std::uint8_t>(here + (needs_escape(c) ? 1 : 0));
    }
    count += here;
    text.remove_prefix(std::min(block, text.size()));
  }
  return count;
}
std::uint8_t sum_of(std::string_view text) {
  std::uint8_t sum = 0;
  for (const char c : text) {
    sum = static_cast<std::uint8_t>(sum + static_cast<std::uint8_t>(c));
  }
  return sum;
}

void append_escaped(std::string& framed, std::string_view payload) {
  std::size_t left = count_escapes(payload);
  while (left-- > 0) {
    const auto next = std::find_if(payload.begin(), payload.end(), needs_escape);
    framed.append(payload.begin(), next);
    framed += {escape, flipped(*next)};
    payload.remove_prefix(static_cast<std::size_t>(next - payload.begin()) + 1);
  }
  framed += payload;
}

void append_shortened(std::string& framed, std::string_view payload) {
  for (std::size_t i = 0; i < payload.size(); ++i) {
    const char c = payload[i];
    if (needs_escape(c)) {
      framed += {escape, flipped(c)};
      continue;
    }
    framed += c;
    if (const std::size_t more = repeats(payload.substr(i)); more > 0) {
      framed += {'*', static_cast<char>(repeat_bias + more)};
      i += more;
    }
  }
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
  framed.reserve(payload.size() + payload.size() / 16 + 4);
  if (shorten) {
    append_shortened(framed, payload);
  } else {
    append_escaped(framed, payload);
  }
  const std::byte sum{sum_of(std::string_view(framed).substr(1))};
  framed += '#';
  append_hex(framed, std::span(&sum, 1));
  return framed;
}

std::size_t escaped_length(std::string_view payload) {
  return payload.size() + count_escapes(payload);
}

std::string_view fit(std::string_view payload, std::size_t room) {
  if (escaped_length(payload) <= room) return payload;
  std::size_t used = 0;
  for (std::size_t i = 0; i < payload.size(); ++i) {
    used += needs_escape(payload[i]) ? 2 : 1;
    if (used > room) return payload.substr(0, i);
  }
  return payload;
}

} // namespace kdbg::gdb
