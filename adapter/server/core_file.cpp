#include "adapter/server/core_file.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

namespace kdbg::server {
namespace {

constexpr std::size_t page = 4096;

bool all_zero(ByteView bytes) {
  return bytes.front() == std::byte{0} &&
         std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0;
}

Error exists(const std::string& path) {
  return {Code::bad_request, fmt::format("{} exists already", path)};
}

} // namespace

Error CoreFile::failed(std::string_view what) const {
  const int saved = errno;
  return {Code::kernel, fmt::format("cannot {} {}: {}", what, path_, strerrordesc_np(saved)),
          saved};
}

Result<std::unique_ptr<CoreFile>> CoreFile::create(const std::string& path, Existing existing) {
  std::unique_ptr<CoreFile> file(new CoreFile(path, existing));
  struct stat there {};
  const bool found = ::lstat(path.c_str(), &there) == 0;
  // asked again when it gets its name: this is only to say so before the work is done
  if (found && existing == Existing::refused) return exists(path);
  if (found && !S_ISREG(there.st_mode)) {
    return Error{Code::bad_request,
                 fmt::format("{} is not a plain file: it is not replaced", path)};
  }
  const std::size_t slash = path.rfind('/') + 1;
  std::string name = path.substr(0, slash) + "." + path.substr(slash) + ".XXXXXX";
  file->fd_ = ::mkostemp(name.data(), O_CLOEXEC);
  if (file->fd_ < 0) return file->failed("create");
  file->temporary_ = std::move(name);
  return file;
}

CoreFile::~CoreFile() {
  if (fd_ >= 0) ::close(fd_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

Status CoreFile::write(std::uint64_t offset, ByteView bytes) {
  while (!bytes.empty()) {
    // up to the next page of zeros, in one call
    std::size_t count = 0;
    while (count < bytes.size()) {
      const ByteView next = bytes.subspan(count, std::min(page, bytes.size() - count));
      if (all_zero(next)) break;
      count += next.size();
    }
    if (count == 0) {
      count = std::min(page, bytes.size());
    } else {
      const ::ssize_t done = ::pwrite(fd_, bytes.data(), count, static_cast<::off_t>(offset));
      if (done < 0 && errno == EINTR) continue;
      if (done < 0) return failed("write");
      count = static_cast<std::size_t>(done);
    }
    offset += count;
    bytes = bytes.subspan(count);
  }
  return Done{};
}

Status CoreFile::name_it() {
  if (existing_ == Existing::replaced) {
    if (::rename(temporary_.c_str(), path_.c_str()) != 0) return failed("name");
    return Done{};
  }
  if (::renameat2(AT_FDCWD, temporary_.c_str(), AT_FDCWD, path_.c_str(), RENAME_NOREPLACE) == 0) {
    return Done{};
  }
  if (errno == EEXIST) return exists(path_);
  // file systems that cannot do this can link
  if (::link(temporary_.c_str(), path_.c_str()) != 0) return failed("name");
  ::unlink(temporary_.c_str());
  return Done{};
}

Status CoreFile::finish(std::uint64_t size) {
  if (::ftruncate(fd_, static_cast<::off_t>(size)) != 0) return failed("write");
  if (::close(std::exchange(fd_, -1)) != 0) return failed("write");
  TRY(name_it());
  temporary_.clear();
  return Done{};
}

} // namespace kdbg::server
