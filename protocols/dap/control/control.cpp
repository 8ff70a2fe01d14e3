#include "protocols/dap/control/control.hpp"

#include "protocols/gdb/text.hpp"

#include <cerrno>
#include <chrono>
#include <sys/socket.h>
#include <unistd.h>

namespace kdbg::dap {
namespace {

constexpr std::chrono::seconds patience{10};
constexpr std::string_view notification = "Kvm:";

} // namespace

Result<std::unique_ptr<Control>> Control::open(int socket, Listener listener) {
  std::unique_ptr<Control> control(new Control(socket, std::move(listener)));
  control->reader_ = std::thread([self = control.get()] { self->receive(); });
  TRY(control->exchange("qSupported:error-message+"));
  const std::string answer = TRY(control->exchange("QStartNoAckMode"));
  if (answer != "OK") {
    return Error{Code::closed,
                 fmt::format("the server answers QStartNoAckMode with \"{}\"", answer)};
  }
  const std::lock_guard lock(control->mutex_);
  control->acks_ = false;
  return control;
}

Control::~Control() {
  ::shutdown(socket_, SHUT_RDWR);
  if (reader_.joinable()) reader_.join();
  ::close(socket_);
}

Result<Json> Control::ask(std::string_view name, const Json& arguments) {
  std::string packet = fmt::format("jKvm.{}", name);
  if (!arguments.empty()) packet += ":" + arguments.dump();
  const std::string answer = TRY(exchange(packet));
  if (answer.empty()) {
    return Error{Code::unsupported, fmt::format("the server knows no jKvm.{}", name)};
  }
  if (answer.starts_with("E.")) return Error{Code::bad_request, answer.substr(2)};
  Json json = Json::parse(answer, nullptr, false);
  if (!json.is_object()) {
    return Error{Code::closed, fmt::format("the server answers jKvm.{} with \"{}\"", name,
                                           std::string_view(answer).substr(0, 60))};
  }
  return json;
}

void Control::post(std::string_view name) {
  {
    const std::lock_guard lock(mutex_);
    posted_.emplace_back(name);
  }
  // a server that is gone is told of by the reader
  ignore(send(gdb::frame(fmt::format("jKvm.{}", name))));
}

std::uint64_t Control::kernel_slide() {
  // "TextSeg=…", where its text is, for one that has moved; "Text=0;…" for all else
  const auto answer = exchange("qOffsets");
  constexpr std::string_view text = "TextSeg=";
  constexpr std::uint64_t linked_at =
      0xffffffff81000000; // __START_KERNEL, arch/x86/include/asm/page_types.h
  if (!answer || !std::string_view(*answer).starts_with(text)) return 0;
  gdb::Scanner scanner(std::string_view(*answer).substr(text.size()));
  const auto place = scanner.hex("the kernel's text");
  return place ? *place - linked_at : 0;
}

Result<std::string> Control::description() {
  constexpr std::size_t piece = 0x1000;
  std::string text;
  for (bool more = true; more;) {
    Result<std::string> answer =
        exchange(fmt::format("qXfer:features:read:target.xml:{:x},{:x}", text.size(), piece));
    if (!answer) return answer.error();
    if (!answer->starts_with('m') && !answer->starts_with('l')) {
      return Error{Code::unsupported, "the server does not describe its registers"};
    }
    text.append(*answer, 1);
    more = answer->front() == 'm' && answer->size() > 1;
  }
  return text;
}

Status Control::detach() {
  const std::string answer = TRY(exchange("D"));
  return answer == "OK" ? Status(Done{}) : Error{Code::bad_request, "detach: " + answer};
}

Result<std::string> Control::exchange(std::string_view packet) {
  {
    const std::lock_guard lock(mutex_);
    answer_.reset();
  }
  TRY(send(gdb::frame(packet)));
  std::unique_lock lock(mutex_);
  const auto there = [this] { return answer_ || gone_; };
  if (!changed_.wait_for(lock, patience, there)) {
    return Error{Code::closed, fmt::format("the server has not answered {} for {} s",
                                           packet.substr(0, packet.find(':')), patience.count())};
  }
  if (!answer_) return Error{Code::closed, "the server has closed the connection"};
  return *std::exchange(answer_, std::nullopt);
}

Status Control::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return Error{Code::closed, "the server has closed the connection", errno};
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return Done{};
}

void Control::receive() {
  gdb::Decoder decoder;
  Bytes buffer(64 * 1024);
  for (;;) {
    const ssize_t got = ::recv(socket_, buffer.data(), buffer.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    ByteView rest = ByteView(buffer).first(static_cast<std::size_t>(got));
    while (auto token = decoder.next(rest)) {
      take(std::move(*token));
    }
  }
  {
    const std::lock_guard lock(mutex_);
    gone_ = true;
  }
  changed_.notify_all();
  listener_.left("the server has closed the connection");
}

void Control::take(gdb::Token token) {
  using Kind = gdb::Token::Kind;
  if (token.kind == Kind::notification && token.payload.starts_with(notification)) {
    return tell(std::string_view(token.payload).substr(notification.size()));
  }
  if (token.kind != Kind::packet) return;
  std::string posted;
  {
    const std::lock_guard lock(mutex_);
    // not before the answer to QStartNoAckMode itself
    if (acks_) ignore(send("+"));
    if (posted_.empty()) {
      answer_ = std::move(token.payload);
      changed_.notify_all();
      return;
    }
    posted = std::move(posted_.front());
    posted_.pop_front();
  }
  tell(token.payload, posted);
}

/// An event, or the answer to what was posted: that one is named here, and may be an error.
void Control::tell(std::string_view text, std::string_view posted) {
  Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return;
  if (!posted.empty()) json["event"] = posted;
  listener_.told(std::move(json));
}

} // namespace kdbg::dap
