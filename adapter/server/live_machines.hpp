#pragma once
/// This user's machines, by the records in the run folder and the sockets beside them.
#include "adapter/server/run_folder.hpp"
#include "adapter/server/settings.hpp"

#include <boost/asio/io_context.hpp>

namespace kdbg::server {

/// Runs on the thread that runs `io`.
class LiveMachines final : public Machines {
public:
  /// `question`: the line that asks a machine for its state, which is answered by a line.
  LiveMachines(boost::asio::io_context& io, RunFolder folder, std::string_view question);

  std::unique_ptr<Question> list(Listed listed) override;
  Result<MachineInfo> find(std::uint64_t pid) override;
  Status end(std::uint64_t pid) override;
  Result<std::unique_ptr<Link>> connect(std::uint64_t pid, Listener listener) override;
  std::optional<std::string> user_name(std::uint64_t uid) override;
  std::optional<std::string> group_name(std::uint64_t gid) override;

private:
  boost::asio::io_context& io_;
  RunFolder folder_;
  std::string_view question_;
};

} // namespace kdbg::server
