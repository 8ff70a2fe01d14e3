#pragma once
/// Plays a transcript against the gdb front end on a fake machine.
#include "tests/fakes/recording_client.hpp"
#include "tests/transcripts/script.hpp"

#include <random>

namespace kdbg::transcripts {

/// How each `->` line is cut.
enum class Feeding : std::uint8_t { whole, by_byte, random };

class Player {
public:
  Player(Feeding feeding, unsigned seed) : feeding_(feeding), random_(seed) {}
  /// Throws std::runtime_error with the line where what came was not what was expected, or where
  /// something came unasked.
  void play(const std::vector<Line>& lines);

private:
  struct Peer {
    explicit Peer(fakes::Machine& machine) : gdb(machine, gdb::Settings{}, true) {}
    fakes::GdbClient gdb;
    std::string unread;
  };

  void play(const Line& line);
  Peer& peer(unsigned number);
  void feed(Peer& to, std::string_view bytes);
  void expect(Peer& from, std::string_view bytes);
  void expect_match(Peer& from, const std::string& pattern);
  void expect_silence();
  void happen(const Event& event);
  void instruct(std::string_view words);
  void collect();

  Feeding feeding_;
  std::minstd_rand random_;
  std::unique_ptr<fakes::Machine> machine_;
  std::map<unsigned, std::unique_ptr<Peer>> peers_;
  unsigned interrupts_taken_ = 0;
};

} // namespace kdbg::transcripts
