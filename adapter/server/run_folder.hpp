#pragma once
/// The folder in which this user's machines are found: a record for each, and a socket.
#include "adapter/machines.hpp"
#include "adapter/server/gateway/tokens.hpp"

namespace kdbg::server {

class RunFolder {
public:
  /// $XDG_RUNTIME_DIR/kvmdbg, or /tmp/kvmdbg-UID where that is not set; made if it is missing. One
  /// that is not this user's alone is refused.
  static Result<RunFolder> open();
  /// The same, of a folder that the caller names.
  static Result<RunFolder> open_at(std::string path);

  const std::string& path() const { return path_; }
  std::string socket_of(std::uint64_t pid) const;

  /// A record in the folder; destroying it takes it out.
  class Entry {
  public:
    Entry(const Entry&) = delete;
    Entry& operator=(const Entry&) = delete;
    ~Entry();
    const std::string& path() const { return path_; }

  private:
    friend class RunFolder;
    explicit Entry(std::string path) : path_(std::move(path)) {}
    std::string path_;
  };
  /// A secret for each role, in a file that only this user reads.
  struct TokenFiles {
    std::unique_ptr<Entry> control, observe;
  };
  Result<TokenFiles> add_tokens(std::uint64_t pid, const Tokens& tokens) const;
  /// Whoever sees the record sees all of it.
  Result<std::unique_ptr<Entry>> add(const MachineRecord& record) const;

  /// Of living processes, in the order of their ids, without their states. What dead ones left
  /// behind is swept away; what cannot be read is as good as absent.
  std::vector<MachineInfo> machines() const;
  /// Only that.
  void sweep() const { machines(); }

private:
  explicit RunFolder(std::string path) : path_(std::move(path)) {}
  std::string record_of(std::uint64_t pid) const;
  std::optional<MachineInfo> read(std::uint64_t pid) const;
  void forget(std::uint64_t pid) const;
  std::string path_;
};

} // namespace kdbg::server
