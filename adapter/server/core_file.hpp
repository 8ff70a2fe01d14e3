#pragma once
/// A file that appears under its name when it is whole, and not at all before. Pages of zeros are
/// left out of it (holes).
#include "adapter/result.hpp"
#include "adapter/types.hpp"

#include <memory>
#include <string>

namespace kdbg::server {

class CoreFile {
public:
  enum class Existing : std::uint8_t { refused, replaced };
  /// A temporary file beside `path`, readable by its owner alone: memory holds secrets.
  static Result<std::unique_ptr<CoreFile>> create(const std::string& path, Existing existing);
  /// Removes the temporary file when it was not finished.
  ~CoreFile();
  CoreFile(const CoreFile&) = delete;
  CoreFile& operator=(const CoreFile&) = delete;

  Status write(std::uint64_t offset, ByteView bytes);
  /// Gives it its size and its name.
  Status finish(std::uint64_t size);
  const std::string& path() const { return path_; }

private:
  CoreFile(std::string path, Existing existing) : path_(std::move(path)), existing_(existing) {}
  Status name_it();
  Error failed(std::string_view what) const;

  std::string path_, temporary_;
  Existing existing_;
  int fd_ = -1;
};

} // namespace kdbg::server
