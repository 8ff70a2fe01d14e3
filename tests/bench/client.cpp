/// A client of the remote protocol that costs next to nothing, and the fastest server there could
/// be.
///
///   bench_client echo ADDRESS   answers every packet with OK, x ones with so many bytes; ADDRESS
///   is
///                               unix:PATH or a TCP port
///   bench_client talk ADDRESS   does what standard input says, one line each:
///     rate SECONDS PACKET...    sends the packets in turn, each after the answer to the one
///     before,
///                               for so long; prints "ROUNDS SECONDS BYTES LAST-ANSWER"
///     run SECONDS PACKET        sends it, interrupts after so long; prints the same
///     ask 0 PACKET...           as rate, but may be refused
#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sstream>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

[[noreturn]] void fail(const std::string& what) {
  std::cerr << "bench_client: " << what << "\n";
  std::exit(1);
}

void check(bool good, const char* what) {
  if (!good) fail(std::string(what) + ": " + std::strerror(errno));
}

struct Address {
  sockaddr_storage storage{};
  socklen_t length = 0;
  bool tcp = false;

  explicit Address(const std::string& text) : tcp(text.rfind("unix:", 0) != 0) {
    if (tcp) {
      sockaddr_in in{};
      in.sin_family = AF_INET;
      in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      in.sin_port = htons(static_cast<std::uint16_t>(std::stoi(text)));
      length = sizeof in;
      std::memcpy(&storage, &in, length);
    } else {
      sockaddr_un un{};
      un.sun_family = AF_UNIX;
      const std::string path = text.substr(5);
      if (path.size() >= sizeof un.sun_path) fail("too long: " + path);
      std::memcpy(un.sun_path, path.c_str(), path.size());
      length = sizeof un;
      std::memcpy(&storage, &un, length);
    }
  }
  int open() const {
    const int fd = ::socket(storage.ss_family, SOCK_STREAM, 0);
    check(fd >= 0, "socket");
    return fd;
  }
  void hurry(int fd) const {
    const int on = 1;
    if (tcp) check(::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0, "TCP_NODELAY");
  }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

std::string frame(const std::string& payload) {
  unsigned sum = 0;
  for (const char c : payload)
    sum += static_cast<unsigned char>(c);
  char end[4];
  std::snprintf(end, sizeof end, "#%02x", sum & 0xff);
  return "$" + payload + end;
}

class Wire {
public:
  explicit Wire(int fd) : fd_(fd) {}
  void send(const std::string& bytes) const {
    for (std::size_t done = 0; done < bytes.size();) {
      const ssize_t n = ::write(fd_, bytes.data() + done, bytes.size() - done);
      check(n > 0, "write");
      done += static_cast<std::size_t>(n);
    }
  }
  /// The next packet's payload as sent, or nothing when the other side has hung up.
  bool receive(std::string& payload) {
    for (;;) {
      const std::size_t start = buffer_.find('$');
      const std::size_t end =
          start == std::string::npos ? start : buffer_.find('#', scanned(start));
      if (end != std::string::npos && end + 2 < buffer_.size()) {
        payload.assign(buffer_, start + 1, end - start - 1);
        buffer_.erase(0, end + 3);
        scanned_ = 0;
        return true;
      }
      if (end == std::string::npos) scanned_ = buffer_.size();
      char chunk[1 << 16];
      const ssize_t n = ::read(fd_, chunk, sizeof chunk);
      check(n >= 0, "read");
      if (n == 0) return false;
      buffer_.append(chunk, static_cast<std::size_t>(n));
    }
  }

private:
  std::size_t scanned(std::size_t start) const { return std::max(start, scanned_); }
  int fd_;
  std::string buffer_;
  std::size_t scanned_ = 0;
};

void echo(const Address& address) {
  const int listener = address.open();
  const int on = 1;
  check(::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0, "SO_REUSEADDR");
  check(::bind(listener, address.get(), address.length) == 0, "bind");
  check(::listen(listener, 1) == 0, "listen");
  const int fd = ::accept(listener, nullptr, nullptr);
  check(fd >= 0, "accept");
  address.hurry(fd);
  Wire wire(fd);
  const std::string answer = frame("OK");
  std::string large;
  for (std::string packet; wire.receive(packet);) {
    const std::size_t comma = packet.find(',');
    if (packet.front() != 'x' || comma == std::string::npos) {
      wire.send(answer);
      continue;
    }
    const std::size_t length = std::stoul(packet.substr(comma + 1), nullptr, 16);
    if (large.size() < length) large = frame("b" + std::string(length, 'v'));
    wire.send(large);
  }
}

double seconds(Clock::time_point since) {
  return std::chrono::duration<double>(Clock::now() - since).count();
}

std::string answer_of(Wire& wire, const std::string& packet, bool may_be_refused = false) {
  std::string answer;
  if (!wire.receive(answer)) fail("hung up at " + packet);
  if (!may_be_refused && (answer.empty() || answer.front() == 'E'))
    fail(packet + " was answered '" + answer + "'");
  return answer;
}

void talk(const Address& address) {
  const int fd = address.open();
  check(::connect(fd, address.get(), address.length) == 0, "connect");
  address.hurry(fd);
  Wire wire(fd);
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::string what, packet, answer;
    double limit = 0;
    words >> what >> limit;
    std::vector<std::string> packets, framed;
    while (words >> packet) {
      packets.push_back(packet);
      framed.push_back(frame(packet));
    }
    if (packets.empty()) fail("nothing to send in: " + line);
    std::size_t bytes = 0;
    unsigned long rounds = 0;
    const auto start = Clock::now();
    if (what == "run") {
      wire.send(framed.front());
      std::this_thread::sleep_for(std::chrono::duration<double>(limit));
      wire.send("\x03");
      answer = answer_of(wire, packets.front());
      rounds = 1;
    } else {
      do {
        for (std::size_t i = 0; i < packets.size(); ++i) {
          wire.send(framed[i]);
          answer = answer_of(wire, packets[i], what == "ask");
          bytes += answer.size();
        }
        ++rounds;
      } while (seconds(start) < limit);
    }
    const double took = seconds(start);
    answer.resize(std::min<std::size_t>(answer.size(), 64));
    for (char& c : answer)
      if (c < ' ' || c > '~') c = '.';
    std::cout << rounds << " " << took << " " << bytes << " " << answer << std::endl;
  }
}

} // namespace

int main(int argc, char** argv) {
  if (argc != 3) fail("usage: bench_client echo|talk ADDRESS");
  const Address address(argv[2]);
  if (std::strcmp(argv[1], "echo") == 0)
    echo(address);
  else
    talk(address);
}
