#include "adapter/server/console.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

namespace kdbg::server {
namespace {

Error failed(const std::string& what) {
  const int saved = errno;
  return {Code::kernel, what + ": " + strerrordesc_np(saved), saved};
}

} // namespace

Result<std::unique_ptr<Console>> Console::open(boost::asio::io_context& io,
                                               const std::string& where) {
  std::unique_ptr<Console> console(new Console(io));
  if (where == "none") return console;
  if (where == "pty") {
    TRY(console->open_pty());
    return console;
  }
  if (where == "stdio") {
    console->out_ = STDOUT_FILENO;
    const int in = ::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0);
    boost::system::error_code error;
    // a closed or unpollable standard input (a plain file, /dev/null) just gives no input
    if (in >= 0 && console->reader_.assign(in, error)) ::close(in);
    console->take_terminal();
    return console;
  }
  console->out_ = ::open(where.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  console->owns_out_ = true;
  if (console->out_ < 0) return failed("cannot open the console file " + where);
  return console;
}

Status Console::open_pty() {
  const int master = ::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (master < 0 || ::grantpt(master) != 0 || ::unlockpt(master) != 0) {
    return failed("cannot open a pty");
  }
  char name[128];
  if (::ptsname_r(master, name, sizeof name) != 0) return failed("cannot name the pty");
  notice_ = std::string("the guest's console is ") + name;
  // kept open by us too: else the master reports a hang-up until somebody opens it
  const int slave = ::open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
  termios raw{};
  if (slave >= 0 && ::tcgetattr(slave, &raw) == 0) {
    ::cfmakeraw(&raw);
    ::tcsetattr(slave, TCSANOW, &raw);
  }
  out_ = ::fcntl(master, F_DUPFD_CLOEXEC, 0);
  owns_out_ = true;
  ::fcntl(out_, F_SETFL, O_NONBLOCK); // nobody reading must not stop the guest
  reader_.assign(master);
  return Done{};
}

void Console::take_terminal() {
  if (!reader_.is_open() || ::tcgetattr(STDIN_FILENO, &saved_) != 0) return;
  termios raw = saved_;
  raw.c_lflag &=
      ~static_cast<tcflag_t>(ICANON | ECHO); // keys go to the guest; Ctrl-C still ends us
  took_terminal_ = ::tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
}

Console::~Console() {
  if (took_terminal_) ::tcsetattr(STDIN_FILENO, TCSANOW, &saved_);
  if (owns_out_ && out_ >= 0) ::close(out_);
}

void Console::on_input(std::function<void(ByteView)> input) {
  input_ = std::move(input);
  if (reader_.is_open()) read();
}

void Console::read() {
  reader_.async_read_some(boost::asio::buffer(buffer_),
                          [this](boost::system::error_code error, std::size_t count) {
                            if (error || count == 0) {
                              return; // end of input: the guest just gets no more keys
                            }
                            input_(ByteView(buffer_).first(count));
                            read();
                          });
}

void Console::put(std::byte byte) {
  if (out_ < 0) return;
  while (::write(out_, &byte, 1) < 0 && errno == EINTR) {
  }
}

} // namespace kdbg::server
