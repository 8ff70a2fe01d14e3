#include "adapter/server/dump_folder.hpp"

#include "adapter/commands.hpp"
#include "adapter/server/core_copy.hpp"

#include <boost/asio/post.hpp>

#include <chrono>
#include <fmt/format.h>

namespace kdbg::server {
namespace {

using Clock = std::chrono::steady_clock;
/// What other clients wait for at most: well under a millisecond of copying.
constexpr std::size_t slice = std::size_t{1} << 20;

/// One copy. Held shared by what is posted, so that a job that is gone is seen to be.
class Copying final : public std::enable_shared_from_this<Copying> {
public:
  Copying(boost::asio::io_context& io, Session& session, Dumps::Listener listener)
      : io_(io),
        session_(session),
        listener_(std::move(listener)),
        epoch_(session.target().stop().epoch) {}

  Status begin(const std::string& path) {
    file_ = TRY(CoreFile::create(path, CoreFile::Existing::refused));
    TRY(search());
    later();
    return Done{};
  }

private:
  Status check_unmoved() const {
    if (!session_.target().running() && session_.target().stop().epoch == epoch_) return Done{};
    return Error{Code::running, "the guest was resumed while its memory was being written"};
  }

  /// A piece of the search; the header when it is over.
  Status search() {
    const CoreSearch search = TRY(session_.execute(SearchCore{from_}));
    if (search.next) {
      from_ = *search.next;
      return Done{};
    }
    const Bytes header = TRY(session_.execute(DescribeCore{search.found}));
    copy_.emplace(TRY(CoreCopy::begin(
        header, std::move(file_), [this](auto at, auto length) { return read(at, length); },
        slice)));
    return Done{};
  }

  Result<Bytes> read(std::uint64_t at, std::size_t length) {
    return session_.execute(ReadMemory{VcpuId{0}, {at, {Space::Kind::physical}}, length});
  }

  void later() {
    boost::asio::post(io_, [weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->step();
    });
  }

  /// True when the last slice is written.
  Result<bool> advance() {
    TRY(check_unmoved());
    if (copy_) return copy_->step();
    TRY(search());
    return false;
  }

  Result<std::string> finish() {
    TRY(copy_->finish());
    return copy_->outcome();
  }

  void step() {
    constexpr std::chrono::seconds between{1};
    auto last = advance();
    if (!last || *last) {
      const auto outcome = last ? finish() : last.error();
      copy_.reset(); // what failed is gone before anyone hears of it
      file_.reset();
      return listener_.done(outcome); // may destroy the job
    }
    if (const auto now = Clock::now(); now - told_ >= between) {
      told_ = now;
      listener_.progress(fmt::format("dump: {}%", copy_ ? copy_->percent() : 0));
    }
    later();
  }

  boost::asio::io_context& io_;
  Session& session_;
  Dumps::Listener listener_;
  std::uint64_t epoch_;
  std::unique_ptr<CoreFile> file_; ///< until the copy has it
  std::uint64_t from_ = 0;         ///< where the search goes on
  std::optional<CoreCopy> copy_;   ///< after the search
  Clock::time_point told_ = Clock::now();
};

class CopyJob final : public Dumps::Job {
public:
  explicit CopyJob(std::shared_ptr<Copying> copying) : copying_(std::move(copying)) {}

private:
  std::shared_ptr<Copying> copying_;
};

} // namespace

DumpFolder::DumpFolder(boost::asio::io_context& io, const std::string& folder)
    : io_(io), folder_(folder.empty() || folder.ends_with('/') ? folder : folder + "/") {}

Result<std::unique_ptr<Dumps::Job>>
DumpFolder::start(Session& session, std::string_view name, Listener listener) {
  if (name.empty() || name.front() == '.' || name.find('/') != std::string_view::npos) {
    return Error{
        Code::bad_request,
        fmt::format("\"{}\": want the name of a new file, without / and not beginning with "
                    "a dot; it goes into the server's folder {} (--dump-folder). To write "
                    "elsewhere: kvmdbg dump --connect ADDRESS FILE",
                    name, folder_.empty() ? "." : folder_)};
  }
  auto copying = std::make_shared<Copying>(io_, session, std::move(listener));
  TRY(copying->begin(folder_ + std::string(name)));
  return std::unique_ptr<Dumps::Job>(std::make_unique<CopyJob>(std::move(copying)));
}

} // namespace kdbg::server
