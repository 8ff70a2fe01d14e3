#pragma once
/// Content-Length framing over file descriptors: standard input and output, or a socket.
#include "protocols/dap/message/framing.hpp"
#include "protocols/dap/wire/channel.hpp"

namespace kdbg::dap {

class StreamChannel : public Channel {
public:
  /// Owns neither. `begun` is what has been read of the client's bytes already.
  StreamChannel(int in, int out, std::string_view begun = {});
  ~StreamChannel() override;
  StreamChannel(const StreamChannel&) = delete;
  StreamChannel& operator=(const StreamChannel&) = delete;
  Result<std::optional<std::string>> read() override;
  Status write(std::string_view message) override;
  bool write_now(std::string_view message) override;
  void shut() override;

private:
  /// Until `fd` is ready for `events`, or `shut`.
  Status await(int fd, short events) const;
  Status write_bytes(std::string_view rest);

  int in_, out_;
  int shut_; ///< an eventfd
  Unframer unframer_;
};

} // namespace kdbg::dap
