#include "adapter/server/live_machines.hpp"

#include "adapter/server/channel.hpp"
#include "adapter/server/process.hpp"
#include "adapter/server/survey.hpp"

#include <boost/asio/local/stream_protocol.hpp>

#include <array>
#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>

namespace kdbg::server {
namespace {

namespace asio = boost::asio;
using Local = asio::local::stream_protocol;

class Asking final : public Machines::Question {
public:
  explicit Asking(std::shared_ptr<Survey> survey) : survey_(std::move(survey)) {}
  ~Asking() override { survey_->give_up(); }

private:
  std::shared_ptr<Survey> survey_;
};

/// Our end of a debugger's connection.
class Line final : public Channel {
public:
  Line(Socket socket, Machines::Listener listener)
      : Channel(make_stream(std::move(socket)), Settings{}), listener_(std::move(listener)) {}
  void start() { read(); }
  /// The listener stays where it is: it may be what hangs up.
  void hang_up() {
    wanted_ = false;
    finish("nobody listens");
  }

private:
  Status received(ByteView bytes) override {
    if (wanted_) listener_.received(bytes);
    return Done{};
  }
  void left(std::string_view why) override {
    if (std::exchange(wanted_, false)) listener_.lost(why);
  }
  void closed() override {}

  Machines::Listener listener_;
  bool wanted_ = true;
};

class LiveLink final : public Machines::Link {
public:
  explicit LiveLink(std::shared_ptr<Line> line) : line_(std::move(line)) {}
  ~LiveLink() override { line_->hang_up(); }
  void send(std::string bytes) override { line_->send(std::move(bytes)); }

private:
  std::shared_ptr<Line> line_;
};

} // namespace

LiveMachines::LiveMachines(asio::io_context& io, RunFolder folder, std::string_view question)
    : io_(io), folder_(std::move(folder)), question_(question) {}

std::unique_ptr<Machines::Question> LiveMachines::list(Listed listed) {
  auto machines = folder_.machines();
  std::vector<std::string> sockets;
  sockets.reserve(machines.size());
  for (const MachineInfo& machine : machines) {
    sockets.push_back(folder_.socket_of(machine.record.pid));
  }
  auto survey = std::make_shared<Survey>(io_, std::move(machines), std::move(listed));
  survey->begin(sockets, question_);
  return std::make_unique<Asking>(std::move(survey));
}

Result<MachineInfo> LiveMachines::find(std::uint64_t pid) {
  for (MachineInfo& machine : folder_.machines()) {
    if (machine.record.pid == pid) return std::move(machine);
  }
  return Error{Code::no_such_vcpu,
               fmt::format("no machine of this user has process id {} (kvmdbg list)", pid)};
}

Status LiveMachines::end(std::uint64_t pid) {
  const MachineInfo machine = TRY(find(pid));
  return ask_to_end(pid, machine.record.born);
}

Result<std::unique_ptr<Machines::Link>> LiveMachines::connect(std::uint64_t pid,
                                                              Listener listener) {
  const MachineInfo machine = TRY(find(pid));
  const Local::endpoint where(folder_.socket_of(pid));
  Local::socket socket(io_);
  boost::system::error_code error;
  socket.open(Local(), error);
  if (!error) socket.native_non_blocking(true, error);
  // not asio's connect, which waits when the machine's queue is full
  if (!error &&
      ::connect(socket.native_handle(), where.data(), static_cast<socklen_t>(where.size())) != 0) {
    error.assign(errno, boost::system::system_category());
  }
  if (error) {
    return Error{Code::closed, fmt::format("cannot connect to machine {} ({}): {}", pid,
                                           machine.record.name, error.message())};
  }
  auto line = std::make_shared<Line>(Socket(std::move(socket)), std::move(listener));
  line->start();
  return std::unique_ptr<Link>(std::make_unique<LiveLink>(std::move(line)));
}

std::optional<std::string> LiveMachines::user_name(std::uint64_t uid) {
  std::array<char, 4096> room{};
  passwd entry{};
  passwd* found = nullptr;
  ::getpwuid_r(static_cast<uid_t>(uid), &entry, room.data(), room.size(), &found);
  if (found == nullptr) return {};
  return std::string(found->pw_name);
}

std::optional<std::string> LiveMachines::group_name(std::uint64_t gid) {
  std::array<char, 4096> room{};
  group entry{};
  group* found = nullptr;
  ::getgrgid_r(static_cast<gid_t>(gid), &entry, room.data(), room.size(), &found);
  if (found == nullptr) return {};
  return std::string(found->gr_name);
}

} // namespace kdbg::server
