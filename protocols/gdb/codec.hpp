#pragma once
/// RSP framing: bytes to tokens, payloads to frames. Knows no packet and keeps no more than one.
#include "adapter/types.hpp"

#include <optional>

namespace kdbg::gdb {

/// Largest payload, as sent, in either direction; advertised as PacketSize.
inline constexpr std::size_t max_payload = 0x20000;

struct Token {
  enum class Kind : std::uint8_t {
    packet,
    oversize,     ///< a packet beyond max_payload; its payload is gone
    notification, ///< %...#cs: never answered
    ack,
    nak,
    interrupt, ///< 0x03 between packets
  };
  Kind kind = Kind::packet;
  std::string payload;  ///< unescaped
  std::string checksum; ///< as received
  bool checksum_ok = true;
};

/// Cuts a byte stream into tokens. Bytes between packets that mean nothing are dropped.
class Decoder {
public:
  /// Takes bytes off the front of `input` up to the end of the next token; nothing when `input`
  /// ran out first.
  std::optional<Token> next(ByteView& input);

private:
  enum class State : std::uint8_t { idle, payload, high_digit, low_digit };
  std::optional<Token> feed(char c);
  std::optional<Token> between_packets(char c);
  void begin(Token::Kind kind);
  void store(char c);
  Token finish(char low);

  State state_ = State::idle;
  Token token_;
  bool escaped_ = false;
  std::size_t length_ = 0; // as sent
  std::uint8_t sum_ = 0;
};

/// Whether a frame may say "c*n" for a run of one byte.
enum class Runs : std::uint8_t { spelled_out, shortened };
/// $payload#cs, escaped. Runs are shortened from `worth_shortening` bytes on: less is one segment
/// on any network, and stays readable in a trace.
std::string frame(std::string_view payload, Runs runs = Runs::spelled_out);
inline constexpr std::size_t worth_shortening = 256;
/// Length of `payload` once escaped.
std::size_t escaped_length(std::string_view payload);
/// The longest start of `payload` that is at most `room` bytes once escaped.
std::string_view fit(std::string_view payload, std::size_t room);

} // namespace kdbg::gdb
