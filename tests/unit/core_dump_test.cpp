// Core files on disk: whole or not at all, by `monitor dump` and as `kvmdbg dump` copies them.
#include "adapter/commands.hpp"
#include "adapter/server/dump.hpp"
#include "adapter/server/dump_folder.hpp"
#include "protocols/gdb/remote.hpp"
#include "protocols/gdb/text.hpp"
#include "protocols/lldb/protocol.hpp"
#include "tests/fakes/recording_client.hpp"

#include <catch2/catch.hpp>

#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

namespace kdbg::server {
namespace {

namespace fs = std::filesystem;
using Catch::Matchers::Contains;

/// A folder that is gone afterwards.
struct Folder {
  Folder() : path(fs::temp_directory_path() / fmt::format("kvmdbg-core-{}", ::getpid())) {
    fs::remove_all(path);
    fs::create_directory(path);
  }
  ~Folder() { fs::remove_all(path); }
  std::string operator/(std::string_view name) const { return path / name; }
  std::size_t files() const {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator(path), fs::directory_iterator()));
  }
  fs::path path;
};

Bytes content(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(in)), {});
  const ByteView bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

/// What the file of the fake machine must hold.
Bytes expected(Target& target) {
  Bytes out = *render_core_header(target);
  for (const MemoryRange& range : target.memory_ranges()) {
    const Bytes part =
        *target.read_memory(VcpuId{0}, {range.start, {Space::Kind::physical}}, range.size);
    out.insert(out.end(), part.begin(), part.end());
  }
  return out;
}

TEST_CASE("a core file has holes where there are zeros, and a name when it is whole") {
  Folder folder;
  const std::string path = folder / "core";
  constexpr std::size_t big = std::size_t{8} << 20;
  {
    auto file = CoreFile::create(path, CoreFile::Existing::refused);
    REQUIRE(file);
    Bytes bytes(big);
    bytes[0x5000] = std::byte{1};
    REQUIRE((*file)->write(0x1000, bytes));
    CHECK_FALSE(fs::exists(path));
    CHECK(folder.files() == 1);
    REQUIRE((*file)->finish(big + 0x1000));
  }
  CHECK(folder.files() == 1);
  struct stat there {};
  REQUIRE(::stat(path.c_str(), &there) == 0);
  CHECK(there.st_size == big + 0x1000);
  CHECK(there.st_blocks * 512 < 0x10000);
  CHECK((there.st_mode & 0777) == 0600);
  const Bytes read = content(path);
  CHECK(read[0x6000] == std::byte{1});
  CHECK(std::count(read.begin(), read.end(), std::byte{0}) == big + 0x1000 - 1);
}

TEST_CASE("what is there is not written over, unless that is wanted, and never what is no file") {
  Folder folder;
  std::ofstream(folder / "there") << "old";
  fs::create_symlink("nowhere", folder / "link");
  for (const char* name : {"there", "link", "."}) {
    auto refused = CoreFile::create(folder / name, CoreFile::Existing::refused);
    REQUIRE_FALSE(refused);
    CHECK_THAT(refused.error().what, Contains("exists already"));
  }
  for (const char* name : {"link", "."}) {
    auto refused = CoreFile::create(folder / name, CoreFile::Existing::replaced);
    REQUIRE_FALSE(refused);
    CHECK_THAT(refused.error().what, Contains("is not a plain file"));
  }
  auto late = CoreFile::create(folder / "late", CoreFile::Existing::refused);
  REQUIRE(late);
  std::ofstream(folder / "late") << "meanwhile";
  auto finished = (*late)->finish(1);
  REQUIRE_FALSE(finished);
  CHECK_THAT(finished.error().what, Contains("exists already"));
  late->reset();
  CHECK(content(folder / "late").size() == 9);
  auto wanted = CoreFile::create(folder / "there", CoreFile::Existing::replaced);
  REQUIRE(wanted);
  CHECK(content(folder / "there").size() == 3);
  REQUIRE((*wanted)->finish(5));
  CHECK(content(folder / "there") == Bytes(5));
  CHECK(folder.files() == 3);
  auto nowhere = CoreFile::create(folder / "no/folder", CoreFile::Existing::refused);
  REQUIRE_FALSE(nowhere);
  CHECK_THAT(nowhere.error().what, Contains("No such file or directory"));
}

TEST_CASE("a file that may not grow is an error, and nothing is left of it") {
  Folder folder;
  ::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  ::getrlimit(RLIMIT_FSIZE, &before);
  const rlimit small{4096, before.rlim_max};
  {
    auto file = CoreFile::create(folder / "core", CoreFile::Existing::refused);
    REQUIRE(file);
    ::setrlimit(RLIMIT_FSIZE, &small);
    auto written = (*file)->write(8192, Bytes(4096, std::byte{1}));
    auto finished = (*file)->finish(1 << 20);
    ::setrlimit(RLIMIT_FSIZE, &before);
    REQUIRE_FALSE(written);
    CHECK_THAT(written.error().what, Contains("cannot write") && Contains("File too large"));
    CHECK_FALSE(finished);
  }
  CHECK(folder.files() == 0);
}

/// A gdb client of a server that writes core files, and the server's loop.
struct Served {
  Served() : session(machine.target, machine.arbiter, machine.trace, &dumps) {
    session.join(front_end);
    feed("$QStartNoAckMode#b0");
    sent.clear();
  }
  ~Served() { session.leave(); }
  void feed(std::string_view bytes) { REQUIRE(front_end.receive(gdb::bytes_of(bytes))); }
  std::string monitor(std::string_view line) {
    feed(gdb::frame("qRcmd," + gdb::to_hex(gdb::bytes_of(line))));
    io.restart();
    io.poll();
    return heard();
  }
  std::string heard() {
    gdb::Decoder decoder;
    const std::string raw = fakes::spell_out(std::exchange(sent, {}));
    ByteView bytes = gdb::bytes_of(raw);
    std::string text;
    while (auto token = decoder.next(bytes)) {
      if (token->kind != gdb::Token::Kind::packet) continue;
      text +=
          token->payload == "OK" ? "OK" : gdb::text_of(*gdb::from_hex(token->payload.substr(1)));
    }
    return text;
  }
  Folder folder;
  boost::asio::io_context io;
  fakes::Machine machine;
  DumpFolder dumps{io, folder.path};
  std::string sent;
  Session session;
  gdb::RspFrontEnd front_end{session, [this](const std::string& bytes) { sent += bytes; },
                             lldb::dialect(), gdb::Settings{}};
};

TEST_CASE("monitor dump writes the core and answers when it is whole") {
  Served served;
  served.feed(gdb::frame("qRcmd," + gdb::to_hex(gdb::bytes_of("dump core"))));
  CHECK(served.sent.empty()); // not yet
  CHECK_FALSE(fs::exists(served.folder / "core"));
  served.io.run();
  CHECK(served.heard() == fmt::format("wrote 0 MiB of memory to {}\nOK", served.folder / "core"));
  CHECK(content(served.folder / "core") == expected(served.machine.target));
  CHECK_THAT(served.monitor("dump core"), Contains("exists already\nOK"));
  CHECK_THAT(served.monitor("dump again"), Contains("wrote") && Contains("OK"));
}

TEST_CASE("monitor dump takes nothing but a name") {
  Served served;
  for (const char* name : {"", "../core", "/tmp/core", "a/b", ".", "..", ".hidden"}) {
    CHECK_THAT(served.monitor(fmt::format("dump {}", name)),
               Contains("want the name of a new file") && Contains("kvmdbg dump --connect") &&
                   Contains("OK"));
  }
  CHECK(served.folder.files() == 0);
}

TEST_CASE("a dump of a guest that runs, or is resumed meanwhile, fails and leaves nothing") {
  Served served;
  served.feed(gdb::frame("qRcmd," + gdb::to_hex(gdb::bytes_of("dump core"))));
  served.machine.target.start_running();
  served.io.run();
  CHECK_THAT(served.heard(), Contains("error: the guest was resumed") && Contains("OK"));
  CHECK(served.folder.files() == 0);
  CHECK_THAT(served.monitor("dump core"), Contains("error: the guest is running"));
  served.machine.target.stop_now(VcpuId{0}, Interrupted{});
  CHECK_THAT(served.monitor("dump core"), Contains("wrote"));
}

TEST_CASE("a dump ends with its client, and only one is under way") {
  Folder folder;
  boost::asio::io_context io;
  fakes::Machine machine;
  DumpFolder dumps(io, folder.path);
  {
    Session session(machine.target, machine.arbiter, machine.trace, &dumps);
    std::string sent;
    gdb::RspFrontEnd front_end(
        session, [&](const std::string& bytes) { sent += bytes; }, lldb::dialect(),
        gdb::Settings{});
    session.join(front_end);
    const auto ask = [&](std::string_view line) {
      REQUIRE(front_end.receive(
          gdb::bytes_of("+" + gdb::frame("qRcmd," + gdb::to_hex(gdb::bytes_of(line))))));
    };
    ask("dump core");
    CHECK(folder.files() == 1);
    ask("dump other");
    CHECK_THAT(sent, Contains(gdb::to_hex(gdb::bytes_of("a dump is being written"))));
    session.leave();
  }
  CHECK(folder.files() == 0);
  io.run(); // what was posted finds nobody
  CHECK(folder.files() == 0);
}

TEST_CASE("a server without a folder for core files says so") {
  fakes::Machine machine;
  fakes::GdbClient client(machine);
  CHECK_THAT(client.ask("qRcmd," + gdb::to_hex(gdb::bytes_of("dump core"))),
             Contains(gdb::to_hex(gdb::bytes_of("this server writes no core files"))));
}

/// A `kvmdbg dump` that talks to a gdb front end without a socket.
struct Copied {
  gdb::Remote::Wire wire() {
    return {[this](ByteView bytes) {
              client.feed(gdb::text_of(bytes));
              return Status(Done{});
            },
            [this]() -> Result<Bytes> {
              if (before_receive) before_receive();
              const std::string raw = client.raw();
              if (raw.empty()) return Error{Code::closed, "the server is gone: test"};
              const ByteView bytes = gdb::bytes_of(raw);
              return Bytes(bytes.begin(), bytes.end());
            }};
  }
  Result<std::string> dump(const std::string& path, bool force = false) {
    TRY(remote.open());
    const DumpSource source{[&] { return remote.core_header(); },
                            [&] { return remote.stop_number(); },
                            [&](auto at, auto length) { return remote.read_physical(at, length); }};
    return write_dump({"", path, force}, source, [this] { return interrupted; });
  }
  Folder folder;
  fakes::Machine machine;
  fakes::GdbClient client{machine, gdb::Settings{}, true};
  gdb::Remote remote{wire()};
  std::function<void()> before_receive;
  bool interrupted = false;
};

TEST_CASE("a client's copy is the same file as the server's own") {
  Copied copied;
  REQUIRE(copied.dump(copied.folder / "core"));
  CHECK(content(copied.folder / "core") == expected(copied.machine.target));
  CHECK(copied.machine.target.counts.interrupts == 0);
  auto again = copied.dump(copied.folder / "core");
  REQUIRE_FALSE(again);
  CHECK_THAT(again.error().what, Contains("exists already"));
  CHECK(copied.dump(copied.folder / "core", true));
}

TEST_CASE("a client's copy fails whole: guest runs, server goes, user interrupts") {
  Copied copied;
  copied.machine.target.start_running();
  auto running = copied.dump(copied.folder / "core");
  REQUIRE_FALSE(running);
  CHECK(running.error().what == "the guest is running; interrupt it first");
  copied.machine.target.stop_now(VcpuId{0}, Interrupted{});

  unsigned packets = 0;
  copied.before_receive = [&] {
    if (++packets == 8) copied.client.raw(); // the answer is lost, and no more comes
  };
  auto gone = copied.dump(copied.folder / "core");
  REQUIRE_FALSE(gone);
  CHECK(gone.error().what == "the server is gone: test");
  copied.before_receive = {};

  copied.interrupted = true;
  auto interrupted = copied.dump(copied.folder / "core");
  REQUIRE_FALSE(interrupted);
  CHECK_THAT(interrupted.error().what, Contains("interrupted"));
  copied.interrupted = false;

  packets = 0;
  copied.before_receive = [&] {
    if (++packets == 8) copied.machine.target.stop_now(VcpuId{0}, Interrupted{}); // it ran
  };
  auto moved = copied.dump(copied.folder / "core");
  REQUIRE_FALSE(moved);
  CHECK_THAT(moved.error().what, Contains("resumed while its memory"));
  CHECK(copied.folder.files() == 0);
}

} // namespace
} // namespace kdbg::server
