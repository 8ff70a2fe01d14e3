#include "protocols/gdb/codec.hpp"
#include "protocols/gdb/text.hpp"
#include "tests/fakes/recording_client.hpp"

#include <catch2/catch.hpp>

namespace kdbg::gdb {
namespace {

std::vector<Token> decode(std::string_view text) {
  Decoder decoder;
  std::vector<Token> tokens;
  ByteView bytes = bytes_of(text);
  while (auto token = decoder.next(bytes)) {
    tokens.push_back(*token);
  }
  return tokens;
}

std::string decode_one(std::string_view text) {
  const auto tokens = decode(text);
  REQUIRE(tokens.size() == 1);
  CHECK(tokens[0].kind == Token::Kind::packet);
  CHECK(tokens[0].checksum_ok);
  return tokens[0].payload;
}

TEST_CASE("a frame is the payload between $ and its sum") {
  CHECK(frame("OK") == "$OK#9a");
  CHECK(frame("") == "$#00");
  CHECK(frame("m1000,4") == "$m1000,4#8e");
}

TEST_CASE("what frames is what decodes, for every byte") {
  std::string all;
  for (int i = 0; i < 256; ++i) {
    all += static_cast<char>(i);
  }
  const std::string framed = frame(all);
  CHECK(decode_one(framed) == all);
  CHECK(framed.size() == all.size() + 4 + 4); // # $ } * are escaped
  CHECK(escaped_length(all) == all.size() + 4);
}

TEST_CASE("frame escapes what the wire gives a meaning") {
  CHECK(frame("}") == "$}]#da");
  CHECK(frame("#$*").substr(0, 7) == "$}\x03}\x04}\x0a");
}

TEST_CASE("runs are shortened where that saves bytes, and read back the same") {
  const std::string rest(worth_shortening, 'y'); // long enough to be shortened at all
  const std::size_t length = GENERATE(range(std::size_t{1}, std::size_t{300}));
  const std::string payload = std::string(length, '0') + "x}*#$" + rest;
  const std::string shortened = frame(payload, Runs::shortened), plain = frame(payload);
  CHECK(fakes::spell_out(shortened) == plain);
  CHECK(shortened.size() < plain.size());
  const std::string_view body = std::string_view(shortened).substr(1, shortened.size() - 4);
  CHECK(body.find_first_of("#$+-") == std::string_view::npos);
  CHECK(body.find("00*") == std::string_view::npos); // a run is taken from its first byte on
  CHECK((body.find("0*") != std::string_view::npos) == (length >= 4));
}

TEST_CASE("a run is told by its first byte and how many more there are") {
  const std::string rest(worth_shortening, 'y');
  const auto begins = [&](std::string_view payload, std::string_view body) {
    return frame(std::string(payload) + "x" + rest, Runs::shortened).substr(1).starts_with(body);
  };
  CHECK(begins("000", "000x"));
  CHECK(begins("0000", "0* x"));
  CHECK(begins("0000000", "0*\"0x"));            // 6 more would be '#'
  CHECK(begins("00000000", "0*\"00x"));          // 7 more would be '$'
  CHECK(begins("000000000", "0*%x"));            // 8
  CHECK(begins(std::string(15, '0'), "0*)00x")); // 13 and 14 would be '*' and '+'
  CHECK(begins(std::string(98, '0'), "0*~x"));
  CHECK(begins(std::string(99, '0'), "0*~0x"));
}

TEST_CASE("short frames and binary ones are spelled out") {
  const std::string zeros(worth_shortening, '0');
  CHECK(frame(zeros.substr(1), Runs::shortened) == frame(zeros.substr(1)));
  CHECK(frame(zeros, Runs::shortened).size() < 20);
  CHECK(frame(zeros) == frame(zeros, Runs::spelled_out));
}

TEST_CASE("a stream may be cut anywhere") {
  const std::string stream = "+" + frame("one}#two") + "-\x03" + frame("");
  Decoder decoder;
  std::vector<Token> tokens;
  for (char c : stream) {
    const std::string piece(1, c);
    ByteView bytes = bytes_of(piece);
    if (auto token = decoder.next(bytes)) tokens.push_back(*token);
    CHECK(bytes.empty());
  }
  REQUIRE(tokens.size() == 5);
  CHECK(tokens[0].kind == Token::Kind::ack);
  CHECK(tokens[1].payload == "one}#two");
  CHECK(tokens[2].kind == Token::Kind::nak);
  CHECK(tokens[3].kind == Token::Kind::interrupt);
  CHECK(tokens[4].kind == Token::Kind::packet);
  CHECK(tokens[4].payload.empty());
}

TEST_CASE("a wrong or nonsensical checksum is noticed") {
  for (const char* text : {"$OK#9b", "$OK#zz", "$OK#9\n", "$OK##a"}) {
    const auto tokens = decode(text);
    REQUIRE(tokens.size() == 1);
    CHECK_FALSE(tokens[0].checksum_ok);
    CHECK(tokens[0].payload == "OK");
  }
  CHECK(decode_one("$OK#9A") == "OK"); // capitals will do
}

TEST_CASE("garbage between packets is dropped") {
  CHECK(decode_one("hello\r\n\x80#}" + frame("OK")) == "OK");
}

TEST_CASE("0x03 inside a packet is data") {
  CHECK(decode_one(frame("X0,1:\x03")) == "X0,1:\x03");
}

TEST_CASE("a packet that breaks off is forgotten when the next begins") {
  CHECK(decode_one("$m10" + frame("OK")) == "OK");
  CHECK(decode_one("$m10#" + frame("OK")) == "OK");
  CHECK(decode_one("$m10}" + frame("OK")) == "OK");
  CHECK(decode("$m10#8").empty());
}

TEST_CASE("notifications are told apart") {
  const auto tokens = decode("%Stop:T05#00" + frame("OK"));
  REQUIRE(tokens.size() == 2);
  CHECK(tokens[0].kind == Token::Kind::notification);
  CHECK(tokens[1].payload == "OK");
}

TEST_CASE("a packet of the largest size is taken, one byte more is not kept") {
  CHECK(decode_one(frame(std::string(max_payload, 'a'))).size() == max_payload);
  const std::string big = frame(std::string(max_payload + 1, 'a'));
  const auto tokens = decode(big + frame("OK"));
  REQUIRE(tokens.size() == 2);
  CHECK(tokens[0].kind == Token::Kind::oversize);
  CHECK(tokens[0].checksum_ok);
  CHECK(tokens[0].payload.empty());
  CHECK(tokens[1].payload == "OK");
}

TEST_CASE("the size is counted as sent") {
  const auto tokens = decode(frame(std::string(max_payload / 2 + 1, '#')));
  REQUIRE(tokens.size() == 1);
  CHECK(tokens[0].kind == Token::Kind::oversize);
}

TEST_CASE("fit cuts where the escaped length ends") {
  CHECK(fit("abc", 3) == "abc");
  CHECK(fit("abc", 2) == "ab");
  CHECK(fit("a#c", 3) == "a#");
  CHECK(fit("a#c", 2) == "a");
  CHECK(fit("", 0).empty());
  CHECK(fit("a", 0).empty());
}

TEST_CASE("hex goes both ways") {
  CHECK(to_hex(bytes_of("\x01\xab")) == "01ab");
  CHECK(to_hex({}).empty());
  CHECK(to_hex(*from_hex("00fFAb")) == "00ffab");
  CHECK(from_hex("")->empty());
  CHECK_FALSE(from_hex("0"));
  CHECK_FALSE(from_hex("0g"));
  CHECK(from_hex("0g").error().code == Code::bad_request);
}

TEST_CASE("numbers have 1 to 16 digits") {
  CHECK(*Scanner("ffffffffffffffff").hex("n") == 0xffffffffffffffff);
  CHECK_FALSE(Scanner("10000000000000000").hex("n"));
  CHECK_FALSE(Scanner("00000000000000000").hex("n"));
  CHECK_FALSE(Scanner("").hex("n"));
  CHECK_FALSE(Scanner(",").hex("n"));
  CHECK(Scanner("xyz").hex("length").error().what == "length expected before \"xyz\"");
}

TEST_CASE("a scanner takes words from the left") {
  Scanner scanner("1f,ab;rest;");
  CHECK(*scanner.hex("n") == 0x1f);
  CHECK(scanner.expect(','));
  CHECK_FALSE(scanner.expect(','));
  CHECK(scanner.until(';') == "ab");
  CHECK_FALSE(scanner.finish());
  CHECK(scanner.until(';') == "rest");
  CHECK(scanner.done());
  CHECK(scanner.finish());
  CHECK(scanner.until(';').empty());
}

} // namespace
} // namespace kdbg::gdb
