#include "adapter/commands.hpp"
#include "tests/fakes/recording_client.hpp"

#include <catch2/catch.hpp>

#include <regex>

namespace kdbg {
namespace {

/// What an audit wrote, without the times.
struct Written {
  Written() : file(::open_memstream(&text, &size)) {}
  ~Written() { std::free(text); }
  Written(const Written&) = delete;
  Written& operator=(const Written&) = delete;
  std::string lines() const {
    return std::regex_replace(std::string(text, size),
                              std::regex(R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ )"), "");
  }
  char* text = nullptr;
  std::size_t size = 0;
  std::FILE* file;
};

TEST_CASE("changes are written down with who made them, and so are refusals") {
  const Written written;
  Audit audit(written.file);
  fakes::Machine machine;
  machine.arbiter.keep_audit(audit);
  fakes::RecordingFrontEnd ear;
  Session one(machine.target, machine.arbiter, machine.trace);
  Session two(machine.target, machine.arbiter, machine.trace);
  one.join(ear, "gdb", "unix:/a\nb");
  two.join(ear, "lldb", "", Role::observe);
  const Bytes byte(1);
  CHECK(one.execute(ReadMemory{VcpuId{0}, Address{0x1000}, 4}));
  CHECK(one.execute(WriteMemory{VcpuId{0}, Address{0x1000}, byte}));
  CHECK_FALSE(two.execute(WriteMemory{VcpuId{0}, Address{0x1000}, byte}));
  CHECK(one.execute(ResumeGuest{{{Motion::run, Motion::step}}}));
  CHECK_FALSE(two.execute(Interrupt{}));
  CHECK(two.execute(ResumeGuest{{{Motion::run, Motion::run}}})); // joins
  const std::string lines = written.lines();
  INFO(lines);
  CHECK(lines.starts_with("client 1 (gdb from unix:/a?b): write_memory 0x1000, 1 bytes: ok\n"
                          "client 2 (lldb): write_memory 0x1000, 1 bytes: "));
  CHECK(lines.find("\nclient 1 (gdb from unix:/a?b): resume run,step: ok\n") != std::string::npos);
  CHECK(lines.find("\nclient 2 (lldb): interrupt: ") != std::string::npos);
  CHECK(std::count(lines.begin(), lines.end(), '\n') == 4);
}

} // namespace
} // namespace kdbg
