// The 16550A as operating systems see it (PC16550D data sheet).
#include "kvm/machine/x86_64/serial.hpp"

#include <catch2/catch.hpp>

using namespace kdbg;
using namespace kdbg::kvm;

namespace {

constexpr std::uint16_t data = 0, ier = 1, iir = 2, fcr = 2, lcr = 3, mcr = 4, lsr = 5, msr = 6,
                        scr = 7;

struct Port {
  std::string sent;
  std::vector<bool> edges; ///< of the interrupt line
  Serial serial{[this](std::byte byte) { sent += static_cast<char>(byte); },
                [this](bool level) { edges.push_back(level); }};
  bool line() const { return !edges.empty() && edges.back(); }
  unsigned read(std::uint16_t at) { return serial.read(at); }
  void write(std::uint16_t at, unsigned value) {
    serial.write(at, static_cast<std::uint8_t>(value));
  }
  void receive(std::string_view text) { serial.receive(std::as_bytes(std::span(text))); }
};

} // namespace

TEST_CASE("what the guest writes is sent, and the transmitter is always empty") {
  Port port;
  for (const char c : std::string_view("ok\n"))
    port.write(data, static_cast<unsigned char>(c));
  CHECK(port.sent == "ok\n");
  CHECK(port.read(lsr) == 0x60);
  CHECK(port.edges.empty()); // no interrupt is enabled
}

TEST_CASE("what is received is read in order, with data-ready until the last byte") {
  Port port;
  port.receive("ab");
  CHECK(port.read(lsr) == 0x61);
  CHECK(port.read(data) == 'a');
  CHECK(port.read(lsr) == 0x61);
  CHECK(port.read(data) == 'b');
  CHECK(port.read(lsr) == 0x60);
  CHECK(port.read(data) == 0);
}

TEST_CASE("the divisor hides behind the latch bit and disturbs neither data nor interrupts") {
  Port port;
  port.receive("x");
  port.write(ier, 1);
  port.write(lcr, 0x83);
  port.write(data, 0x34);
  port.write(ier, 0x12);
  CHECK(port.read(data) == 0x34);
  CHECK(port.read(ier) == 0x12);
  CHECK(port.read(lcr) == 0x83);
  port.write(lcr, 0x03);
  CHECK(port.read(ier) == 1);
  CHECK(port.read(data) == 'x');
  CHECK(port.sent.empty());
  CHECK(port.serial.save().divisor == 0x1234);
}

TEST_CASE("scratch, line and modem control read back; what is reserved reads as zero") {
  Port port;
  port.write(scr, 0xa5);
  CHECK(port.read(scr) == 0xa5);
  port.write(lcr, 0x1b);
  CHECK(port.read(lcr) == 0x1b);
  port.write(mcr, 0xff);
  CHECK(port.read(mcr) == 0x1f);
  port.write(ier, 0xff);
  CHECK(port.read(ier) == 0x0f);
  port.write(lsr, 0xff); // read-only
  port.write(msr, 0xff);
  CHECK(port.read(lsr) == 0x60);
}

TEST_CASE("a received byte interrupts while it waits, and only with OUT2") {
  Port port;
  port.write(ier, 1);
  port.receive("a");
  CHECK(port.edges.empty());
  port.write(mcr, 8);
  CHECK(port.line());
  CHECK(port.read(iir) == 0x04);
  CHECK(port.line()); // looking does not end it
  CHECK(port.read(data) == 'a');
  CHECK_FALSE(port.line());
  CHECK(port.read(iir) == 0x01);
  port.receive("b");
  CHECK(port.line());
  port.write(ier, 0);
  CHECK(port.edges == std::vector<bool>{true, false, true, false});
}

TEST_CASE(
    "the empty transmitter interrupts when enabled and after each byte; reading IIR ends it") {
  Port port;
  port.write(mcr, 8);
  port.write(ier, 2);
  CHECK(port.line());
  CHECK(port.read(iir) == 0x02);
  CHECK_FALSE(port.line());
  CHECK(port.read(iir) == 0x01);
  port.write(ier, 2); // enabled already
  CHECK_FALSE(port.line());
  port.write(data, 'x');
  CHECK(port.line());
  CHECK(port.read(iir) == 0x02);
  CHECK_FALSE(port.line());
}

TEST_CASE("a received byte comes before the empty transmitter, which is not lost by that") {
  Port port;
  port.write(mcr, 8);
  port.write(ier, 3);
  port.receive("a");
  CHECK(port.read(iir) == 0x04);
  CHECK(port.read(data) == 'a');
  CHECK(port.line());
  CHECK(port.read(iir) == 0x02);
  CHECK_FALSE(port.line());
}

TEST_CASE("the FIFO shows in IIR when it is on, and can be emptied") {
  Port port;
  CHECK(port.read(iir) == 0x01);
  port.write(fcr, 0x01);
  CHECK(port.read(iir) == 0xc1);
  port.write(mcr, 8);
  port.write(ier, 1);
  port.receive("abc");
  CHECK(port.read(iir) == 0xc4);
  port.write(fcr, 0x05); // transmitter only
  CHECK(port.read(lsr) == 0x61);
  port.write(fcr, 0x03);
  CHECK(port.read(lsr) == 0x60);
  CHECK_FALSE(port.line());
  port.write(fcr, 0);
  CHECK(port.read(iir) == 0x01);
}

TEST_CASE("loopback: bytes come back instead of going out, modem outputs come back as inputs") {
  Port port;
  CHECK(port.read(msr) == 0xb0); // carrier, ready and clear to send
  port.write(mcr, 0x10);
  CHECK(port.read(msr) == 0);
  const std::pair<unsigned, unsigned> wires[] = {
      {1, 0x20}, {2, 0x10}, {4, 0x40}, {8, 0x80}, {15, 0xf0}}; // DTR-DSR RTS-CTS OUT1-RI OUT2-DCD
  for (const auto& [out, in] : wires) {
    port.write(mcr, 0x10 | out);
    CHECK(port.read(msr) == in);
  }
  port.write(data, 'l');
  CHECK(port.sent.empty());
  CHECK(port.read(lsr) == 0x61);
  CHECK(port.read(data) == 'l');
}

TEST_CASE("what comes faster than it is read is dropped beyond 4096 bytes") {
  Port port;
  port.receive(std::string(5000, 'z'));
  CHECK(port.serial.save().received.size() == 4096);
}

// A guest must not be able to make the host's memory grow.
TEST_CASE("a guest that talks to itself in loopback meets the same limit") {
  Port port;
  port.write(mcr, 0x10);
  for (int i = 0; i < 5000; ++i)
    port.write(data, 'z');
  CHECK(port.serial.save().received.size() <= 4096);
}

TEST_CASE("its state is a value: saved, restored elsewhere, and the line follows") {
  Port one;
  one.write(lcr, 0x03);
  one.write(mcr, 8);
  one.write(ier, 1);
  one.write(fcr, 1);
  one.write(scr, 0x77);
  one.receive("pq");
  const Serial::State saved = one.serial.save();
  Port two;
  two.serial.restore(saved);
  CHECK(two.line());
  CHECK(two.read(scr) == 0x77);
  CHECK(two.read(lcr) == 0x03);
  CHECK(two.read(iir) == 0xc4);
  CHECK(two.read(data) == 'p');
  CHECK(two.read(data) == 'q');
  CHECK_FALSE(two.line());
  CHECK(one.read(lsr) == 0x61); // the other is as it was
  one.serial.restore(Serial::State{});
  CHECK_FALSE(one.line());
  CHECK(one.read(lsr) == 0x60);
}
