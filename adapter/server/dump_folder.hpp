#pragma once
/// Core files that clients ask the server for: new files in one folder, copied between the other
/// work of the strand.
#include "adapter/dumps.hpp"

#include <boost/asio/io_context.hpp>

namespace kdbg::server {

class DumpFolder final : public Dumps {
public:
  /// `folder` must exist; "" is the working directory.
  DumpFolder(boost::asio::io_context& io, const std::string& folder);
  Result<std::unique_ptr<Job>>
  start(Session& session, std::string_view name, Listener listener) override;

private:
  boost::asio::io_context& io_;
  std::string folder_;
};

} // namespace kdbg::server
