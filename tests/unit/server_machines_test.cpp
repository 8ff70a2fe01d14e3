#include "adapter/server/live_machines.hpp"
#include "adapter/server/machine_record.hpp"
#include "adapter/server/process.hpp"

#include <boost/asio/local/stream_protocol.hpp>
#include <catch2/catch.hpp>

#include <csignal>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace kdbg::server {
namespace {

using Catch::Matchers::Contains;
namespace fs = std::filesystem;
using Local = boost::asio::local::stream_protocol;

struct Folder {
  Folder() {
    std::string name = "/tmp/kvmdbg-machines-XXXXXX";
    path = ::mkdtemp(name.data());
  }
  ~Folder() { fs::remove_all(path); }
  RunFolder open() const {
    auto folder = RunFolder::open_at(path);
    REQUIRE(folder);
    return *folder;
  }
  void write(const std::string& name, const std::string& text) const {
    std::ofstream out(path + "/" + name);
    out << text;
  }
  bool has(const std::string& name) const { return fs::exists(path + "/" + name); }
  std::string path;
};

std::uint64_t own_pid() {
  return static_cast<std::uint64_t>(::getpid());
}

MachineRecord own_record() {
  auto self = look_at_process(own_pid());
  REQUIRE(self);
  return {.pid = own_pid(),
          .born = self->born,
          .name = "me \"quoted\"",
          .image = "/a b",
          .triple = "t",
          .listen = {"127.0.0.1:1", "unix:/x"},
          .started = 5};
}

TEST_CASE("a record is read as it was written") {
  const MachineRecord record = own_record();
  auto read = parse_record(render_record(record));
  REQUIRE(read);
  CHECK(render_record(*read) == render_record(record));
  CHECK(read->name == record.name);
  CHECK(read->listen == record.listen);
  MachineRecord odd = record;
  odd.image = "/\xff\xfe"; // no UTF-8
  CHECK(parse_record(render_record(odd)));
}

TEST_CASE("what is no record is an error that names the field") {
  const std::string good = render_record(own_record());
  for (const char* field : {"pid", "born", "started", "name", "image", "triple", "listen"}) {
    INFO(field);
    std::string without = good;
    without.replace(without.find(std::string("\"") + field + "\""), 2, "\"_");
    auto record = parse_record(without);
    REQUIRE_FALSE(record);
    CHECK_THAT(record.error().what, Contains(std::string("\"") + field + "\""));
  }
  for (const std::string bad :
       {"", "[]", "1", "{", "{\"pid\":-1}", "{\"pid\":\"1\"}", "{\"pid\":1.5}"}) {
    CHECK_FALSE(parse_record(bad));
  }
  CHECK_FALSE(parse_record(std::string(100'000, '[')));
  std::string odd = good;
  odd.replace(odd.find("\"unix:/x\""), 9, "7");
  CHECK_FALSE(parse_record(odd));
}

TEST_CASE("lists for people and for programs") {
  std::vector<MachineInfo> machines{{own_record(), {}, "running"}, {own_record(), {}, "no answer"}};
  machines[1].record.name = "a\x1b[2J\nb";
  const std::string table = render_table(machines);
  CHECK_THAT(table, Contains("PID") && Contains("me \"quoted\"") && Contains("a?[2J?b"));
  CHECK(std::count(table.begin(), table.end(), '\n') == 3);
  CHECK_THAT(render_json(machines), Contains("\"state\": \"no answer\"") && !Contains("born"));
  CHECK(render_json({}) == "[]\n");
}

TEST_CASE("a folder that is not ours alone is refused") {
  const Folder folder;
  ::chmod(folder.path.c_str(), 0750);
  auto opened = RunFolder::open_at(folder.path);
  REQUIRE_FALSE(opened);
  CHECK_THAT(opened.error().what, Contains("is open to others (mode 750, want 700)"));
  ::chmod(folder.path.c_str(), 0700);
  CHECK(RunFolder::open_at(folder.path));
  fs::create_symlink(folder.path, folder.path + "/link");
  CHECK_FALSE(RunFolder::open_at(folder.path + "/link"));
  folder.write("file", "");
  CHECK_FALSE(RunFolder::open_at(folder.path + "/file"));
  CHECK_FALSE(RunFolder::open_at(folder.path + "/no/such"));
  CHECK(RunFolder::open_at(folder.path + "/new"));
  struct stat made {};
  REQUIRE(::stat((folder.path + "/new").c_str(), &made) == 0);
  CHECK((made.st_mode & 0777) == 0700);
  if (::geteuid() == 0) {
    REQUIRE(::chown((folder.path + "/new").c_str(), 12345, 0) == 0);
    auto others = RunFolder::open_at(folder.path + "/new");
    REQUIRE_FALSE(others);
    CHECK_THAT(others.error().what, Contains("belongs to user 12345"));
  }
}

TEST_CASE("records of living processes count, and what dead ones left is swept away") {
  const Folder folder;
  const RunFolder run = folder.open();
  const std::string own = fmt::format("{}.json", own_pid());
  {
    const auto entry = run.add(own_record());
    REQUIRE(entry);
    const auto machines = run.machines();
    REQUIRE(machines.size() == 1);
    CHECK(machines[0].record.name == own_record().name);
    CHECK(machines[0].owner.uid == ::getuid());
    CHECK(machines[0].owner.parent == static_cast<std::uint64_t>(::getppid()));
  }
  CHECK_FALSE(folder.has(own));
  MachineRecord other = own_record();
  other.born += 1; // a process of the past, with our id
  folder.write(own, render_record(other));
  other.pid = 4'000'000'000;
  folder.write("4000000000.json", render_record(other));
  folder.write("4000000000.sock", "");
  folder.write("4000000001.sock", "");
  folder.write("4000000002.json", "{");
  folder.write("notes.json", "{");
  CHECK(run.machines().empty());
  CHECK_FALSE(folder.has(own));
  for (const char* gone :
       {"4000000000.json", "4000000000.sock", "4000000001.sock", "4000000002.json"}) {
    CHECK_FALSE(folder.has(gone));
  }
  CHECK(folder.has("notes.json"));
  folder.write(own, "{\"later\": \"version\"}"); // of a process that lives
  CHECK(run.machines().empty());
  CHECK(folder.has(own));
}

TEST_CASE("a record that cannot be written is an error") {
  const Folder folder;
  const RunFolder run = folder.open();
  fs::remove_all(folder.path);
  const auto entry = run.add(own_record());
  REQUIRE_FALSE(entry);
  CHECK_THAT(entry.error().what, Contains("cannot write"));
  CHECK(run.machines().empty());
}

TEST_CASE("only the process that was meant is asked to end") {
  // a program of its own: a fork would have the test's signal handlers
  pid_t child = 0;
  std::string name = "sleep", seconds = "60";
  char* const words[] = {name.data(), seconds.data(), nullptr};
  REQUIRE(::posix_spawnp(&child, "sleep", nullptr, nullptr, words, environ) == 0);
  const auto pid = static_cast<std::uint64_t>(child);
  auto process = look_at_process(pid);
  REQUIRE(process);
  CHECK_FALSE(ask_to_end(pid, process->born + 1));
  CHECK(::kill(child, 0) == 0);
  REQUIRE(ask_to_end(pid, process->born));
  siginfo_t end{};
  REQUIRE(::waitid(P_PID, static_cast<id_t>(child), &end, WEXITED | WNOWAIT) == 0);
  CHECK(end.si_status == SIGTERM);
  CHECK_FALSE(look_at_process(pid)); // a zombie
  CHECK_FALSE(ask_to_end(pid, process->born));
  ::waitpid(child, nullptr, 0);
  CHECK_FALSE(look_at_process(pid));
}

/// Answers one question on our own socket, or never does.
struct Answering {
  Answering(boost::asio::io_context& io, const RunFolder& run, std::string text)
      : acceptor(io, Local::endpoint(run.socket_of(own_pid()))),
        socket(io),
        answer(std::move(text)) {
    acceptor.async_accept(socket, [this](boost::system::error_code error) {
      if (!error && !answer.empty()) socket.send(boost::asio::buffer(answer));
    });
  }
  Local::acceptor acceptor;
  Local::socket socket;
  std::string answer;
};

std::string surveyed(const std::string& answer) {
  const Folder folder;
  const RunFolder run = folder.open();
  const auto entry = run.add(own_record());
  REQUIRE(entry);
  boost::asio::io_context io;
  std::optional<Answering> answering;
  if (answer != "nobody") answering.emplace(io, run, answer);
  LiveMachines machines(io, run, "state\n");
  std::string state;
  const auto question = machines.list([&](const std::vector<MachineInfo>& found) {
    REQUIRE(found.size() == 1);
    state = found[0].state;
    io.stop();
  });
  io.run_for(std::chrono::seconds(5));
  return state;
}

TEST_CASE("machines are asked for their states, and not for long") {
  CHECK(surveyed("running\n") == "running");
  CHECK(surveyed("nobody") == "no answer");
  CHECK(surveyed("") == "no answer");
  CHECK(surveyed("no end of line") == "no answer");
  CHECK(surveyed(std::string(5000, 'x')) == "no answer");
}

TEST_CASE("an answer that is there when time is up comes too late, and does no harm") {
  const Folder folder;
  const RunFolder run = folder.open();
  const auto entry = run.add(own_record());
  REQUIRE(entry);
  for (int steps = 0; steps < 3; ++steps) { // done before the strand is held up
    boost::asio::io_context io, other;
    const std::string path = run.socket_of(own_pid());
    fs::remove(path);
    Local::acceptor acceptor(other, Local::endpoint(path));
    LiveMachines machines(io, run, "state\n");
    int told = 0;
    const auto question = machines.list([&](const auto& found) {
      ++told;
      CHECK(found.size() == 1);
    });
    Local::socket machine = acceptor.accept();
    machine.send(boost::asio::buffer("running\n", 8));
    for (int i = 0; i < steps; ++i) {
      io.poll_one();
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(600));
    io.run_for(std::chrono::seconds(1));
    CHECK(told == 1);
  }
}

TEST_CASE("a question that is taken back is not answered") {
  const Folder folder;
  const RunFolder run = folder.open();
  boost::asio::io_context io;
  LiveMachines machines(io, run, "state\n");
  bool told = false;
  auto question = machines.list([&](const auto&) { told = true; });
  question.reset();
  io.run_for(std::chrono::seconds(1));
  CHECK_FALSE(told);
}

TEST_CASE("a link to a machine, and one to none") {
  const Folder folder;
  const RunFolder run = folder.open();
  const auto entry = run.add(own_record());
  REQUIRE(entry);
  boost::asio::io_context io;
  LiveMachines machines(io, run, "state\n");
  CHECK_FALSE(machines.connect(own_pid(), {})); // nobody listens there
  CHECK_FALSE(machines.connect(1, {}));
  std::string heard, lost;
  std::optional<Answering> answering(std::in_place, io, run, "$OK#9a");
  auto link = machines.connect(
      own_pid(), {[&](ByteView bytes) {
                    heard.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
                  },
                  [&](std::string_view why) { lost = why; }});
  REQUIRE(link);
  io.run_for(std::chrono::milliseconds(100));
  CHECK(heard == "$OK#9a");
  answering->socket.close();
  io.restart();
  io.run_for(std::chrono::milliseconds(100));
  CHECK(lost == "it hung up");
}

} // namespace
} // namespace kdbg::server
